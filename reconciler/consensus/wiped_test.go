package consensus

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAWipedManagerRejoinsWithoutAVoteFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		for i := range 100 {
			c.managers[0].write(t, ref(i))
		}
		c.managers[2].stop()
		c.memories[2] = NewMemory()
		c.start(t, 2)
		time.Sleep(time.Second)
		if !c.managers[2].Joining().Fresh {
			t.Fatal("a manager with an empty disk does not say so")
		}
		voter, err := c.managers[0].Join(t.Context(), c.managers[2].Joining())
		if err != nil || voter {
			t.Fatalf("it keeps its vote: %v, %v", voter, err)
		}
		if members, err := c.managers[0].Members(); err != nil || members[2].Voter {
			t.Errorf("members are %+v (%v), want it without a vote", members, err)
		}
		c.admit(t, 2)
		if c.managers[2].Joining().Fresh {
			t.Error("it has its vote and does not use it")
		}
		time.Sleep(time.Second)
		c.wantOneDigest(t)
		c.managers[0].stop()
		c.leader(t, 1, 2).write(t, ref(100))
	})
}

// The wiped manager was half of the majority that acknowledged the write. If it
// voted, the manager that never saw the write would be elected.
func TestAWipedManagerDoesNotElectWhoLacksAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.cut(2)
		c.managers[0].write(t, ref(1))
		c.managers[1].stop()
		c.managers[0].stop()
		c.memories[1] = NewMemory()
		c.start(t, 1)
		c.heal()
		time.Sleep(time.Minute)
		for _, i := range []int{1, 2} {
			if id, _ := c.managers[i].Leader(); id != "" {
				t.Errorf("%s leads without the write", id)
			}
		}
		c.managers[1].stop()
		c.start(t, 1) // it has forgotten nothing of that
		c.start(t, 0)
		time.Sleep(10 * time.Second)
		c.admit(t, 1)
		c.leading(t).write(t, ref(2))
		time.Sleep(time.Second)
		for i, m := range c.managers {
			if _, ok := m.store.Snapshot().Ref("refs/heads/000001"); !ok {
				t.Errorf("manager %d lacks the acknowledged write", i+1)
			}
		}
		c.wantOneDigest(t)
	})
}

func TestAWipedManagerKeepsItsVoteWhileTheOthersAreTooFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.managers[1].stop()
		c.memories[1] = NewMemory()
		c.cut(2)
		c.start(t, 1)
		time.Sleep(5 * time.Second)
		_, err := c.leader(t, 0).Join(t.Context(), c.managers[1].Joining())
		if err == nil || !strings.Contains(err.Error(), "1 reachable after the removal, 2 needed: bring back manager3 first") {
			t.Errorf("got %v, want that the others are too few", err)
		}
		c.managers[0].write(t, ref(1)) // it can be written to
		c.heal()
		time.Sleep(5 * time.Second)
		c.admit(t, 1)
	})
}

func TestAManagerThatNobodyKnowsStandsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.add()
		term := c.managers[0].term(t)
		c.start(t, 3)
		time.Sleep(time.Minute)
		if id, _ := c.managers[3].Leader(); id != "" || term.Err() != nil {
			t.Errorf("it knows %q as its leader; the leader's term: %v", id, term.Err())
		}
		if members, err := c.managers[3].Members(); err != nil || len(members) != 0 {
			t.Errorf("it knows %v (%v), want nobody", members, err)
		}
	})
}

func TestAJoinerThatIsFarBehindGetsASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := voting(t, 1)
		for i := range 5000 {
			c.managers[0].write(t, ref(i))
		}
		if err := c.managers[0].raft.Snapshot().Error(); err != nil {
			t.Fatal(err)
		}
		c.add()
		c.start(t, 1)
		c.admit(t, 1)
		time.Sleep(time.Second)
		c.wantOneDigest(t)
		first, err := c.memories[1].entries.FirstIndex()
		if err != nil || first < 1000 {
			t.Errorf("the joiner's log begins at %d (%v), want it behind a snapshot", first, err)
		}
		if err := c.managers[1].WaitApplied(t.Context(), c.managers[0].AppliedIndex()); err != nil {
			t.Error(err)
		}
	})
}
