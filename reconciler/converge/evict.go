package converge

import (
	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/specs"
)

// evict stops tasks whose node cannot keep them.
func (w *work) evict() {
	for _, s := range w.slots {
		r := s.wanted()
		if r == nil || r.Want.Node == "" {
			continue
		}
		if reason := w.unfitReason(r.Want.Node); reason != "" {
			r.stop(specs.StateShutdown, reason, w.now)
		} else if w.overbooks(r) {
			r.stop(specs.StateShutdown, "node "+w.node(r.Want.Node).name()+" has less than its tasks reserve", w.now)
		}
	}
}

// unfitReason says why the node cannot keep tasks of the service, or nothing.
// A paused node keeps what it has.
func (w *work) unfitReason(nodeID string) string {
	reason, known := w.unfit[nodeID]
	if known {
		return reason
	}
	node := w.node(nodeID)
	reason = node.evicts()
	if reason == "" && node.CanTakeTasks() {
		reason = w.unmet(node)
	}
	w.unfit[nodeID] = reason
	return reason
}

// unmet names the first constraint of the service that the node does not meet.
// One that cannot be read keeps new tasks away and moves none.
func (w *work) unmet(node nodeView) string {
	for _, text := range w.svc.Spec.Placement.Constraints {
		if c, err := scheduler.ParseConstraint(text); err == nil && !c.Meets(&node.Node) {
			return c.String() + " not met on node " + node.name()
		}
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
