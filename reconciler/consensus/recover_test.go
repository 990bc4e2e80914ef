package consensus

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// wipe stops a manager and gives it an empty disk.
func (c *cluster) wipe(i int) {
	c.managers[i].stop()
	c.memories[i] = NewMemory()
}

// recover makes a manager that is stopped the only one.
func (c *cluster) recover(t *testing.T, i int, revise func(Remains) (specs.Transaction, error)) error {
	t.Helper()
	return Recover(Config{NodeID: fmt.Sprintf("manager%d", i+1), Memory: c.memories[i], Store: store.New()}, revise)
}

// unled checks that nobody leads for a minute.
func (c *cluster) unled(t *testing.T) {
	t.Helper()
	time.Sleep(time.Minute)
	for i, m := range c.managers {
		if id, _ := m.Leader(); id != "" {
			t.Fatalf("manager %d follows %s, although a majority was lost", i+1, id)
		}
	}
}

// Two of three voters are wiped at the same time. The third goes on alone with
// all that it has, also when it was killed before its old log was gone, and the
// two join it again.
func TestRecoverFromTwoWipedVoters(t *testing.T) {
	for name, killed := range map[string]bool{"whole": false, "killed before its log was cut": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := three(t)
				for i := range 100 {
					c.managers[0].write(t, ref(i))
				}
				time.Sleep(time.Second)
				c.wipe(0)
				c.wipe(1)
				c.start(t, 0)
				c.start(t, 1)
				c.unled(t)
				c.managers[2].stop()
				old := c.memories[2].logs(t)

				var remains Remains
				err := c.recover(t, 2, func(r Remains) (specs.Transaction, error) {
					remains = r
					return ref(100), nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, last := remains.Ref("refs/heads/000099"); !last || len(remains.Members) != 3 || remains.At.IsZero() {
					t.Errorf("what remains: the last write %v, members %+v, at %s", last, remains.Members, remains.At)
				}
				if killed {
					if err := c.memories[2].entries.StoreLogs(old); err != nil {
						t.Fatal(err)
					}
				}
				c.start(t, 2)
				c.managers[2].lead(t)
				c.managers[2].write(t, ref(101))
				if members, err := c.managers[2].Members(); err != nil || len(members) != 1 || !members[0].Voter {
					t.Errorf("it has the members %+v (%v), want itself", members, err)
				}
				c.admit(t, 0)
				c.admit(t, 1)
				time.Sleep(time.Second)
				c.wantOneDigest(t)
				for i := range 102 {
					if _, ok := c.managers[0].store.Snapshot().Ref(ref(i)[0].Ref.ID); !ok {
						t.Fatalf("ref %d is lost", i)
					}
				}
				c.kill(2)
				c.leader(t, 0, 1).write(t, ref(102))
			})
		})
	}
}

func (m *Memory) logs(t *testing.T) (all []*raft.Log) {
	t.Helper()
	first, _ := m.entries.FirstIndex()
	last, _ := m.entries.LastIndex()
	for index := first; index <= last; index++ {
		entry := new(raft.Log)
		if err := m.entries.GetLog(index, entry); err != nil {
			t.Fatal(err)
		}
		all = append(all, entry)
	}
	return all
}

// A voter was wiped and has everything again, but not yet its vote; then the
// other two are lost. It may lead: nobody is left whom it could betray.
func TestRecoverOnAManagerOnProbation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.managers[0].write(t, ref(1))
		c.wipe(2)
		c.start(t, 2)
		time.Sleep(5 * time.Second)
		if _, has := c.managers[2].store.Snapshot().Ref("refs/heads/000001"); !has || !c.managers[2].Joining().Fresh {
			t.Fatal("it was not brought up to date, or is not on probation")
		}
		c.kill(0)
		c.kill(1)
		c.managers[2].stop()
		if err := c.recover(t, 2, func(Remains) (specs.Transaction, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
		c.start(t, 2)
		c.managers[2].lead(t)
		c.managers[2].write(t, ref(2))
	})
}

func TestARecoveryThatIsRefusedChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.managers[2].stop()
		no := errors.New("no")
		if err := c.recover(t, 2, func(Remains) (specs.Transaction, error) { return nil, no }); !errors.Is(err, no) {
			t.Errorf("got %v, want the refusal", err)
		}
		c.memories = append(c.memories, NewMemory())
		c.managers = append(c.managers, c.managers[2])
		if err := c.recover(t, 3, nil); err == nil {
			t.Error("a manager with an empty disk was recovered")
		}
		c.memories, c.managers = c.memories[:3], c.managers[:3]
		c.start(t, 2)
		c.managers[0].write(t, ref(1))
		time.Sleep(time.Second)
		c.wantOneDigest(t)
		if members, err := c.managers[2].Members(); err != nil || len(members) != 3 {
			t.Errorf("it has the members %+v (%v), want three", members, err)
		}
	})
}
