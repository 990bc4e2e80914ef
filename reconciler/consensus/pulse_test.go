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

		r.pulse.last.Store(int64(time.Since(r.opened) - stillness)) // as if nothing had run since
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

// One of several has another leader by the time it wakes up, and follows it.
func TestOneOfSeveralThatStoodStillGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		for _, m := range c.managers {
			m.pulse.last.Store(int64(time.Since(m.opened) - stillness))
		}
		time.Sleep(time.Second)
		c.leading(t).write(t, ref(1))
		time.Sleep(time.Second)
		c.wantOneDigest(t)
	})
}
