package converge

import (
	"github.com/swarmgit/swarmgit/reconciler/orchestrator"
	"github.com/swarmgit/swarmgit/reconciler/rollout"
	"github.com/swarmgit/swarmgit/specs"
)

// globalNodes are the nodes of the cluster as a global service sees them.
func (w *work) globalNodes() []orchestrator.Node {
	var nodes []orchestrator.Node
	for n := range w.draft.Nodes() {
		nodes = append(nodes, orchestrator.Node{ID: n.ID, Takes: w.fit().takes(&n)})
	}
	return nodes
}

// takes reports that the slot can get a new task now: it has a number, or its
// node takes one.
func (w *work) takes(s *slot) bool {
	if s.id.Node == "" {
		return true
	}
	node := w.node(s.id.Node)
	return node.known && w.fit().takes(&node.Node)
}

// keeps reports that the slot has a number, or that its node lives and may have a
// task.
func (w *work) keeps(s *slot) bool {
	return s.id.Node == "" || !w.node(s.id.Node).lost() && w.unfitReason(s.id.Node) == ""
}

// rolls reports that the slot takes part in rollouts. That of a paused node does
// with a task of the target that it got before: it may prove itself or fail.
func (w *work) rolls(s *slot, current *row) bool {
	placed := current.Want.Node != "" && !current.evicted()
	return w.takes(s) || placed && current.Spec == w.svc.Rollout.Target && w.keeps(s)
}

// lags reports that a slot that takes part in rollouts again missed the one that
// was completed.
func (w *work) lags() bool {
	if w.svc.Spec.Mode != specs.Global || w.svc.Rollout.State != specs.RolloutCompleted {
		return false
	}
	for _, s := range w.slots {
		r := s.current()
		if r != nil && r.Spec != w.svc.Rollout.Target && !r.evicted() && w.takes(s) {
			return true
		}
	}
	return false
}

// specAgain is the spec of the task that follows an evicted one: its own. But
// the node of a global service may have been away for long: what is neither
// wanted nor proven any more does not come back with it.
func (w *work) specAgain(evicted *row) specs.Hash {
	r := w.svc.Rollout
	if evicted.SlotNode == "" || evicted.Spec == r.Target || evicted.Spec == r.Completed {
		return evicted.Spec
	}
	return rollout.SpecOfNewSlot(r)
}
