package reconciler

import (
	"errors"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/metrics"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// gauges is what a scrape reads of a manager.
type gauges struct{ m *Manager }

func (g gauges) Snapshot() store.Snapshot { return g.m.store.Snapshot() }

// NodeStatus is the leader's own view, and the store's elsewhere.
func (g gauges) NodeStatus(node specs.Node) specs.NodeStatus {
	if node.Seen.Status == specs.NodeReady && g.m.leading.Load() && !g.m.Heard(node.ID) {
		return specs.NodeUnknown
	}
	return node.Seen.Status
}

func (g gauges) Looks(source string) (last time.Time, failures int, looks bool) {
	one, looks := g.m.followers.of(source)
	if !looks {
		return time.Time{}, 0, false
	}
	seen := one.looks()
	return seen.Looked, seen.Failures, true
}

func (g gauges) Raft() metrics.Raft {
	v := g.m.raft.Vitals()
	leader, _ := g.m.raft.Leader()
	is := metrics.Raft{
		Leads: v.Leads, LeaderKnown: leader != "", Term: v.Term, Last: v.Last, Committed: v.Committed, Applied: v.Applied,
		Writable: g.m.raft.DiskTrouble() == nil,
	}
	for _, member := range g.m.members() {
		is.Managers++
		if member.Voter {
			is.Voters++
		}
		if g.m.raft.Reachable(member.ID) {
			is.Reachable++
		}
	}
	return is
}

// proposed notes one proposal of whatever part of the manager.
func (m *Manager) proposed(took time.Duration, err error) {
	outcome := "unknown"
	switch {
	case err == nil:
		outcome = "answered"
	case errors.Is(err, consensus.ErrNotLeader):
		outcome = "not_leader"
	case errors.Is(err, consensus.ErrDiskFull):
		outcome = "disk_full"
	}
	m.metrics.Proposal(outcome, took)
}
