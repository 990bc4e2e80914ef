package converge

import (
	"github.com/swarmgit/swarmgit/specs"
)

// evict stops tasks whose node cannot keep them.
func (w *work) evict() {
	for _, s := range w.slots {
		r := s.wanted()
		if r == nil || r.Node() == "" {
			continue
		}
		if reason := w.evictReason(r); reason != "" {
			r.stop(specs.StateShutdown, reason, w.now)
		} else if r.Want.Node != "" && w.overbooks(r) {
			r.stop(specs.StateShutdown, "node "+w.node(r.Want.Node).Name()+" has less than its tasks reserve", w.now)
		}
	}
}

// evictReason says why the task cannot stay, or nothing. One that only waits for
// a node has nothing to keep there once the node is lost.
func (w *work) evictReason(r *row) string {
	if node := w.node(r.Node()); r.Want.Node == "" && node.lost() {
		return node.evicts()
	}
	return w.unfitReason(r.Node())
}

// unfitReason says why the node cannot keep tasks of the service, or nothing.
// A paused node keeps what it has, and so does one that is down what nothing would
// follow meanwhile: a task that nobody replaces may as well go on if it does.
func (w *work) unfitReason(nodeID string) string {
	node := w.node(nodeID)
	switch {
	case !node.silent():
	case w.svc.Spec.Mode == specs.Global, w.svc.Spec.Restart.Condition == specs.RestartNone:
		return w.unmetReason(node)
	case w.now.Before(w.heldUntil(node)):
		w.wakeAt(w.heldUntil(node))
		return ""
	}
	if reason := node.evicts(); reason != "" {
		return reason
	}
	return w.unmetReason(node)
}

// unmetReason names the constraint that the node does not meet, or nothing.
func (w *work) unmetReason(node *nodeView) string {
	if constraint := w.fit().unmet(&node.Node); constraint != "" {
		return constraint + " not met on node " + node.Name()
	}
	return ""
}

// overbooks reports that the task is one of those that have to leave a node
// which became smaller than what its tasks reserve, and counts it as gone.
func (w *work) overbooks(r *row) bool {
	free := w.scheduler.Free(r.Want.Node)
	if free.CPUs >= 0 && free.Memory >= 0 || !w.node(r.Want.Node).CanTakeTasks() {
		return false
	}
	spec, _ := w.draft.TaskSpec(r.Spec)
	over := w.overbooked(r.Want.Node)
	if !(over.CPUs > 0 && spec.Reservations.CPUs > 0) && !(over.Memory > 0 && spec.Reservations.Memory > 0) {
		return false
	}
	over.CPUs -= spec.Reservations.CPUs
	over.Memory -= spec.Reservations.Memory
	w.over[r.Want.Node] = over
	return true
}

// overbooked is by how much the wanted tasks of a node reserve more than it
// has. Tasks that were told to stop will give theirs back.
func (p *pass) overbooked(nodeID string) specs.Resources {
	over, known := p.over[nodeID]
	if known {
		return over
	}
	has := p.node(nodeID).Seen.Description.Resources
	over.CPUs, over.Memory = -has.CPUs, -has.Memory
	for t := range p.draft.TasksOn(nodeID) {
		if t.Wanted() && !t.Ended() {
			spec, _ := p.draft.TaskSpec(t.Spec)
			over.CPUs += spec.Reservations.CPUs
			over.Memory += spec.Reservations.Memory
		}
	}
	p.over[nodeID] = over
	return over
}
