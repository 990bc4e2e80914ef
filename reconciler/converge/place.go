package converge

import (
	"cmp"
	"iter"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/specs"
)

// place gives nodes to the wanted tasks that have none, lowest slots first, and
// the reason to those that fit nowhere.
func (w *work) place() {
	w.account()
	waiting := make(map[specs.Hash][]*row)
	for _, s := range w.slots {
		if r := s.wanted(); r != nil && r.Want.Node == "" {
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
			if r.made || r.Want == r.was {
				continue
			}
			before := r.Task
			before.Want = r.was
			spec, _ := w.draft.TaskSpec(r.Spec)
			w.scheduler.Task(&before, &r.Task, spec)
		}
	}
}

func (w *work) placeGroup(group []*row) {
	spec, _ := w.draft.TaskSpec(group[0].Spec)
	found := w.scheduler.Place(scheduler.Request{
		ServiceID: w.svc.ID,
		Version:   group[0].Spec,
		Spec:      spec,
		Rules:     w.svc.Spec.Placement,
		Count:     len(group),
		Past:      w.tasks(),
		Now:       w.now,
	})
	for i, r := range group {
		if i >= len(found.Nodes) {
			r.Want.Reason = found.Reason
			continue
		}
		r.Want.Node, r.Want.Reason = found.Nodes[i], ""
		w.scheduler.Task(nil, &r.Task, spec)
	}
}

// tasks yields all tasks of the service.
func (w *work) tasks() iter.Seq[specs.Task] {
	return func(yield func(specs.Task) bool) {
		for _, s := range w.slots {
			for _, r := range s.rows {
				if !yield(r.Task) {
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
	slices.SortFunc(ordered, func(a, b []*row) int { return cmp.Compare(a[0].Slot, b[0].Slot) })
	return ordered
}
