package reconciler

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// What Raft has not been given by the time when nobody waits for it any more is not made.
func TestWhatWaitsBehindADiskThatHangsIsNotMade(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		release := m.cfg.Memory.Hang()
		var asked sync.WaitGroup
		for range 5 { // more than Raft is given at a time
			asked.Go(func() { _ = m.Propose(t.Context(), specs.Transaction{{Cluster: &specs.Cluster{}}}) })
			synctest.Wait()
		}
		asked.Go(func() {
			err := m.Propose(t.Context(), specs.Transaction{{Ref: specs.Insert("refs/heads/x", specs.Ref{Commit: commit(1)})}})
			if wire.KindOf(err) != wire.Unavailable || err.Error() != "nothing was changed: no answer within 10s" {
				t.Errorf("told %v", err)
			}
		})
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err == nil || err.Error() != "nothing has moved: no answer within 10s: push again" {
			t.Errorf("who pushed is told %v", err)
		}
		asked.Wait()
		release()
		if err := m.Propose(t.Context(), specs.Transaction{{Ref: specs.Insert("refs/heads/y", specs.Ref{Commit: commit(1)})}}); err != nil {
			t.Fatal(err)
		}
		if refs := m.Refs(); len(refs) != 1 {
			t.Errorf("what nobody waited for was made: %v", refs)
		}
	})
}

// What a person asked for while the only manager's disk hung is written when that goes
// on, and whoever waited for it in vain has been told so.
func TestWhatNobodyWaitsForAnyMoreMayBeMadeYet(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		release := m.cfg.Memory.Hang()
		err := m.Propose(t.Context(), specs.Transaction{{Ref: specs.Insert("refs/heads/x", specs.Ref{Commit: commit(1)})}})
		if wire.KindOf(err) != wire.OutcomeUnknown || !strings.Contains(err.Error(), "may be made yet") || !strings.HasSuffix(err.Error(), "no answer within 10s") {
			t.Errorf("told %v", err)
		}
		if _, written := m.store.Snapshot().Ref("refs/heads/x"); written {
			t.Error("it was written to a disk that hangs")
		}
		release()
		synctest.Wait()
		if _, written := m.store.Snapshot().Ref("refs/heads/x"); !written {
			t.Error("it was not written when the disk went on")
		}
	})
}
