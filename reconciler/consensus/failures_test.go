package consensus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

func TestAMinorityThatIsCutOffDisturbsNobody(t *testing.T) {
	for name, sever := range map[string]func(*cluster){
		"both ways":             func(c *cluster) { c.cut(2) },
		"it hears nothing":      func(c *cluster) { c.cutOneWay(0, 2); c.cutOneWay(1, 2) },
		"it is not heard":       func(c *cluster) { c.cutOneWay(2, 0); c.cutOneWay(2, 1) },
		"from the leader alone": func(c *cluster) { c.cutOneWay(0, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := three(t)
				term := c.managers[0].term(t)
				sever(c)
				for i := range 30 {
					c.managers[0].write(t, ref(i))
					time.Sleep(time.Second)
				}
				c.heal()
				time.Sleep(2 * time.Second)
				c.wantOneDigest(t)
				if term.Err() != nil {
					t.Error("the leader lost its office")
				}
			})
		})
	}
}

func TestALeaderThatCannotSpeakStepsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		term := c.managers[0].term(t)
		c.cutOneWay(0, 1)
		c.cutOneWay(0, 2)
		<-term.Done()
		c.leader(t, 1, 2).write(t, ref(1))
		time.Sleep(time.Second)
		c.wantOneDigest(t) // it hears all the same
	})
}

func TestAManagerThatWasAwayCatchesUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.kill(2)
		for i := range 300 {
			c.managers[0].write(t, ref(i))
			time.Sleep(time.Second)
		}
		c.start(t, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.managers[2].WaitApplied(ctx, c.managers[0].AppliedIndex()); err != nil {
			t.Error(err)
		}
	})
}

func TestAllRestarted(t *testing.T) {
	for name, pause := range map[string]time.Duration{"at once": 0, "one after the other": 2 * time.Second, "overlapping": 200 * time.Millisecond} {
		for how, stop := range map[string]func(*cluster, int){
			"killed": func(c *cluster, i int) { c.kill(i) }, "stopped": func(c *cluster, i int) { c.managers[i].stop() },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := three(t)
					for i := range 20 {
						c.managers[0].write(t, ref(i))
					}
					index := c.managers[0].AppliedIndex()
					for i := range c.managers {
						stop(c, i)
						time.Sleep(pause)
						if pause > 0 {
							c.start(t, i)
						}
					}
					for i := range c.managers {
						if pause == 0 {
							c.start(t, i)
						}
					}
					began := time.Now()
					leader := c.leading(t)
					if took := time.Since(began); took > 3*time.Second {
						t.Errorf("nobody led for %v", took)
					}
					for i, m := range c.managers {
						if err := m.WaitApplied(t.Context(), index); err != nil {
							t.Errorf("manager %d: %v", i+1, err)
						}
					}
					leader.write(t, ref(100))
					time.Sleep(time.Second)
					c.wantOneDigest(t)
				})
			})
		}
	}
}

func TestThreeOfFiveGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := voting(t, 5)
		c.kill(3)
		c.kill(4)
		c.managers[0].write(t, ref(1)) // five survive two
		c.kill(2)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := c.managers[0].Propose(ctx, []specs.Transaction{ref(2)})
		if !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("two of five answer %v, want that the outcome is unknown", err)
		}
		time.Sleep(time.Minute)
		for _, i := range []int{0, 1} {
			if _, err := c.managers[i].Propose(t.Context(), []specs.Transaction{ref(3)}); !errors.Is(err, ErrNotLeader) {
				t.Errorf("two of five answer %v, want that nobody leads", err)
			}
		}
		c.start(t, 4)
		c.leader(t, 0, 1, 4).write(t, ref(4))
		c.start(t, 2)
		c.start(t, 3)
		time.Sleep(2 * time.Second)
		c.wantOneDigest(t)
	})
}

// Who asks a leader that hands over is to wait for the next one, and not to be refused.
func TestALeaderThatHandsOverTakesNoProposals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		leader := c.leading(t)
		changed := leader.Changed()
		if !leader.Writes() {
			t.Error("the leader takes no proposals")
		}
		done := make(chan error, 1)
		go func() { done <- leader.HandOver(t.Context()) }()
		<-changed
		if leader.Writes() {
			t.Error("it takes proposals while it hands over")
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if next := c.leading(t); leader.Writes() || !next.Writes() {
			t.Errorf("afterwards the old leader takes proposals: %t, the new one: %t", leader.Writes(), next.Writes())
		}
	})
}

func TestTheClockOfTheNextLeaderIsNotBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		ahead := time.Now().Add(time.Hour) // as a leader whose clock jumped wrote it
		data, err := batch{}.encode(Newest, ahead)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.managers[0].raft.Apply(data, 0).Error(); err != nil {
			t.Fatal(err)
		}
		last := ahead
		for range 5 {
			leader := c.leading(t)
			if err := leader.HandOver(t.Context()); err != nil {
				t.Fatal(err)
			}
			next := c.leading(t)
			if now := next.Now(); now.Before(last) {
				t.Errorf("the clock went back from %v to %v", last, now)
			} else {
				last = now
			}
			next.write(t, specs.Transaction{})
		}
	})
}
