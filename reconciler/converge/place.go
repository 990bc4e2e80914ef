package converge

import (
	"iter"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/specs"
)

// place gives nodes to the wanted tasks that have none, lowest slots first, and
// the reason to those that fit nowhere. In a global service the node is given.
func (w *work) place() {
	w.account()
	waiting := make(map[specs.Hash][]*row)
	for _, s := range w.slots {
		switch r := s.wanted(); {
		case r == nil || r.Want.Node != "":
		case r.SlotNode != "":
			w.placeOn(r)
		default:
			waiting[r.Spec] = append(waiting[r.Spec], r)
		}
	}
	for _, group := range inSlotOrder(waiting) {
		w.placeGroup(group)
	}
}

// account tells the scheduler which tasks were told to stop, so that new ones
// spread as if they were gone.
func (w *work) account() {
	for _, s := range w.slots {
		for _, r := range s.rows {
			if r.was == nil || r.Task == r.was {
				continue
			}
			spec, _ := w.draft.TaskSpec(r.Spec)
			w.scheduler.Task(r.was, r.Task, spec)
		}
	}
}

func (w *work) placeGroup(group []*row) {
	request := w.request(group[0].Spec)
	request.Count, request.Past = len(group), w.tasks()
	found := w.scheduler.Place(request)
	for i, r := range group {
		if i >= len(found.Nodes) {
			r.waits(found.Reason)
			continue
		}
		w.assign(r, found.Nodes[i], request.Spec)
	}
}

// waits says why the task has no node.
func (r *row) waits(reason string) {
	if r.Want.Reason != reason {
		r.change().Reason = reason
	}
}

// placeOn places the task of a global service on the node of its slot.
func (w *work) placeOn(r *row) {
	request := w.request(r.Spec)
	if reason := w.scheduler.PlaceOn(r.SlotNode, request); reason != "" {
		r.waits(reason)
		return
	}
	w.assign(r, r.SlotNode, request.Spec)
}

func (w *work) request(h specs.Hash) scheduler.Request {
	spec, _ := w.draft.TaskSpec(h)
	return scheduler.Request{ServiceID: w.svc.ID, Version: h, Spec: spec, Rules: w.svc.Spec.Placement, Now: w.now}
}

func (w *work) assign(r *row, nodeID string, spec specs.TaskSpec) {
	want := r.change()
	want.Node, want.Reason = nodeID, ""
	w.scheduler.Task(nil, r.Task, spec)
}

// tasks yields all tasks of the service.
func (w *work) tasks() iter.Seq[specs.Task] {
	return func(yield func(specs.Task) bool) {
		for _, s := range w.slots {
			for _, r := range s.rows {
				if !yield(*r.Task) {
					return
				}
			}
		}
	}
}

// inSlotOrder orders groups of tasks by their first slot.
func inSlotOrder(groups map[specs.Hash][]*row) [][]*row {
	ordered := make([][]*row, 0, len(groups))
	for _, group := range groups {
		ordered = append(ordered, group)
	}
	slices.SortFunc(ordered, func(a, b []*row) int { return a[0].SlotID().Compare(b[0].SlotID()) })
	return ordered
}
