package consensus

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestTheClockStartsBehindNothing(t *testing.T) {
	wall := time.Now()
	for name, c := range map[string]struct{ last, want time.Time }{
		"no entry yet":            {time.Time{}, wall},
		"the wall clock is ahead": {wall.Add(-time.Hour), wall},
		"the last entry is ahead": {wall.Add(time.Hour), wall.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := clock{wall: func() time.Time { return wall }}
				k.lead(c.last)
				if got := k.now(); !got.Equal(c.want) || got.Location() != time.UTC {
					t.Errorf("the clock is at %v, want %v", got, c.want)
				}
			})
		})
	}
}

// Whatever the wall clock does, the clock goes on, and a tenth faster or slower
// at most.
func TestTheClockIsSteered(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		offs := rapid.SliceOfN(rapid.Int64Range(-36*3600, 36*3600), 20, 20).Draw(r, "seconds ahead")
		lives := rapid.SliceOfN(rapid.Int64Range(0, 3600), 20, 20).Draw(r, "seconds")
		synctest.Test(t, func(t *testing.T) {
			var off time.Duration
			k := clock{wall: func() time.Time { return time.Now().Add(off) }}
			k.follow(time.Now())
			for i := range offs {
				off = time.Duration(offs[i]) * time.Second
				before, lives := k.now(), time.Duration(lives[i])*time.Second
				time.Sleep(lives)
				if gone := k.now().Sub(before); gone < lives*9/10 || gone > lives*11/10 {
					t.Errorf("in %s the clock went on by %s, its wall clock %s ahead", lives, gone, off)
				}
			}
		})
	})
}

func TestTheClockMeetsTheWallClock(t *testing.T) {
	for _, off := range []time.Duration{-time.Minute, 0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			k := clock{wall: func() time.Time { return time.Now().Add(off) }}
			k.follow(time.Now())
			time.Sleep(10 * time.Minute)
			if got := k.now().Sub(k.wall().Round(0)); got != 0 {
				t.Errorf("%s ahead: the clock is %s beside the wall clock after ten minutes", off, got)
			}
		})
	}
}

// Who has lived through ten minutes under another leader knows how long that was, by
// whatever its wall clock has become.
func TestAWrongWallClockDoesNotBecomeTheClustersTime(t *testing.T) {
	for name, off := range map[string]time.Duration{"late": -36 * time.Hour, "ahead": 36 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := three(t)
				c.managers[0].write(t, ref(1))
				c.managers[1].stop()
				c.ahead = map[int]time.Duration{1: off, 2: off}
				c.start(t, 1)
				c.managers[2].stop()
				c.start(t, 2)
				time.Sleep(10 * time.Minute) // with nothing to write
				c.managers[0].stop()
				next := c.leader(t, 1, 2)
				if got := time.Until(next.Now()).Abs(); got > time.Second {
					t.Errorf("the cluster's time is wrong by %s", got)
				}
			})
		})
	}
}
