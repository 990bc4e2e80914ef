package reconciler

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

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
