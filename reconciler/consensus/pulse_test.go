package consensus

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// A leader that has stood still writes nothing of what it believes, whether or not it
// has noticed: a new term begins first.
func TestALeaderThatStoodStillBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, Config{Memory: NewMemory(), Bootstrap: true})
		term := r.term(t)
		r.write(t, ref(1))
		time.Sleep(time.Minute)
		synctest.Wait() // the pulse of this moment has been felt
		if term.Err() != nil {
			t.Fatal("the term of a leader that was awake has ended")
		}

		r.standStill(mostStillness)
		if _, err := r.Propose(t.Context(), []specs.Transaction{ref(2)}); !errors.Is(err, ErrNotLeader) {
			t.Errorf("it writes what it believes: %v", err)
		}
		<-term.Done()
		again := r.term(t)
		r.write(t, ref(3))
		time.Sleep(time.Minute)
		if again.Err() != nil {
			t.Error("the new term has ended")
		}
		if _, there := r.store.Snapshot().Ref("refs/heads/000002"); there {
			t.Error("it has written what it believed")
		}
	})
}

// What nodes lose by a leader's standing still follows from how often they are heard,
// so does what it takes for standing still.
func TestStandingStillIsMeasuredByTheHeartbeats(t *testing.T) {
	for _, c := range []struct {
		heartbeat, still time.Duration
		awake            bool
	}{
		{0, 3 * time.Second, true}, {0, 5 * time.Second, false},
		{time.Second, time.Second / 2, true}, {time.Second, 2 * time.Second, false},
		{time.Minute, 3 * time.Second, true}, {time.Minute, 5 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := run(t, Config{Memory: NewMemory(), Bootstrap: true})
			term := r.term(t)
			r.write(t, specs.Transaction{{Cluster: &specs.Cluster{Spec: specs.ClusterSettings{HeartbeatPeriod: specs.Duration(c.heartbeat)}}}})
			time.Sleep(time.Minute)
			synctest.Wait() // the pulse of this moment has been felt
			r.standStill(c.still)
			_, err := r.Propose(t.Context(), []specs.Transaction{ref(1)})
			time.Sleep(time.Minute)
			if awake := err == nil; awake != c.awake || (term.Err() == nil) != c.awake {
				t.Errorf("heartbeat %s, still for %s: %v, term: %v", c.heartbeat, c.still, err, term.Err())
			}
		})
	}
}

// standStill has it be as if nothing had run for that long.
func (r running) standStill(d time.Duration) { r.pulse.last.Store(int64(time.Since(r.opened) - d)) }

// One of several has another leader by the time it wakes up, and follows it.
func TestOneOfSeveralThatStoodStillGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		for _, m := range c.managers {
			m.standStill(mostStillness)
		}
		time.Sleep(time.Second)
		c.leading(t).write(t, ref(1))
		time.Sleep(time.Second)
		c.wantOneDigest(t)
	})
}
