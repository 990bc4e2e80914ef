package reconciler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Remains is what a manager's disk holds of its cluster, for who decides whether
// it is to go on alone.
type Remains struct {
	Cluster  string
	Revision specs.Revision // the newest that was not refused; zero if there is none
	Newest   time.Time      // of its newest change
	Others   []wire.Manager // that lose their votes, and are removed
	Hostname func(nodeID string) string
}

// Recover makes a manager that is not running the only one of its cluster, for
// when a majority of the managers is lost for ever. The others are removed as
// nodes too: should they come back with what they have, this one lets none of
// them in, and tells them so. agree is asked once all is read; nothing has
// changed if it refuses.
func Recover(dir, nodeID string, log *slog.Logger, agree func(Remains) error) error {
	cfg := consensus.Config{Dir: filepath.Join(dir, "raft"), NodeID: nodeID, Store: store.New(), Log: log}
	return consensus.Recover(cfg, func(r consensus.Remains) (specs.Transaction, error) {
		if node, known := r.Node(nodeID); !known || node.Spec.Role != specs.Manager {
			return nil, fmt.Errorf("node %s is not to be a manager, by its own data: begin on one that is", nodeID)
		}
		remains := Remains{Cluster: r.Cluster().Name, Newest: r.At, Hostname: r.Snapshot.NodeName}
		remains.Revision, _ = findRevision(r.Snapshot, "") // zero if nothing was pushed
		var lost []specs.Node
		for _, m := range r.Members {
			if m.ID == nodeID {
				continue
			}
			remains.Others = append(remains.Others, wire.Manager{NodeID: m.ID, Addr: m.Address})
			if node, known := r.Node(m.ID); known {
				lost = append(lost, node)
			}
		}
		now := time.Now()
		if r.At.After(now) {
			now = r.At
		}
		return ca.Removal(r.Authority(), now, lost...), agree(remains)
	})
}

// ErrRemoved says that the cluster goes on without this node.
var ErrRemoved = errors.New("this node was removed from the cluster")

// mayBegin asks the other managers, before this one says anything to them,
// whether it was removed while it was off: two that were could else elect one of
// them, and lead what is not theirs any more.
func (m *Manager) mayBegin(ctx context.Context, others []consensus.Member) error {
	if m.cfg.Credentials == nil || len(others) == 0 {
		return nil
	}
	var addrs []string
	for _, other := range others {
		addrs = append(addrs, other.Address)
	}
	for addr, reply := range m.cfg.Credentials.Standings(ctx, addrs) {
		if reply.Removed {
			return fmt.Errorf("%w, as the manager at %s says", ErrRemoved, addr)
		}
	}
	return nil
}

// standingPause is how often a manager that knows no leader asks whether it was
// removed, and whether it may take part again.
const standingPause = 5 * time.Second

// keepStanding returns ErrRemoved once another manager says so, nil when ctx ends.
// A manager that follows a leader need not ask.
func (m *Manager) keepStanding(ctx context.Context) error {
	for bell.Sleep(ctx, standingPause) == nil {
		if id, _ := m.raft.Leader(); id != "" {
			continue
		}
		others := slices.DeleteFunc(m.members(), func(o consensus.Member) bool { return o.ID == m.cfg.NodeID })
		if err := m.mayBegin(ctx, others); err != nil {
			return err
		}
	}
	return nil
}
