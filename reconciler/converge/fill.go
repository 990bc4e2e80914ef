package converge

import (
	"time"

	"github.com/swarmgit/swarmgit/reconciler/orchestrator"
	"github.com/swarmgit/swarmgit/reconciler/restart"
	"github.com/swarmgit/swarmgit/reconciler/rollout"
	"github.com/swarmgit/swarmgit/specs"
)

// maxNewSlots bounds the memory of one pass over one service; the next pass
// adds the rest.
const maxNewSlots = 10_000

// scale adds and takes away slots.
func (w *work) scale() {
	var add, gone []specs.SlotID
	if w.svc.Spec.Mode == specs.Global {
		add, gone = orchestrator.Global(w.filled(), w.globalNodes(), maxNewSlots)
	} else {
		add, gone = orchestrator.Replicated(w.filled(), w.svc.Spec.WantedReplicas(), maxNewSlots)
	}
	for _, id := range gone {
		w.slot(id).remove(w.reasonGone(id), w.now)
	}
	for _, id := range add {
		w.fill(id, rollout.SpecOfNewSlot(w.svc.Rollout), time.Time{})
	}
}

// filled are the slots that exist.
func (w *work) filled() []orchestrator.Slot {
	filled := make([]orchestrator.Slot, 0, len(w.slots))
	for _, s := range w.slots {
		if current := s.current(); current != nil {
			filled = append(filled, orchestrator.Slot{
				ID:      s.id,
				Node:    current.Want.Node,
				Running: w.runs(current),
			})
		}
	}
	return filled
}

// runs is Runs of a task in the pass.
func (w *work) runs(r *row) bool {
	return r.Wanted() && r.Seen.State == specs.StateRunning && !w.node(r.Want.Node).lost()
}

// reasonGone says why the service has the slot no more.
func (w *work) reasonGone(id specs.SlotID) string {
	global := w.svc.Spec.Mode == specs.Global
	switch {
	case global != (id.Node != ""):
		return reasonMode
	case global:
		return w.node(id.Node).evicts()
	}
	return reasonScaled
}

// roll lets the rollout replace tasks.
func (w *work) roll() {
	if w.lags() {
		w.svc.Rollout = rollout.Again(w.svc.Rollout, w.now)
	}
	if state := w.svc.Rollout.State; state != specs.RolloutUpdating && state != specs.RolloutPaused {
		return
	}
	slots := make([]rollout.Slot, 0, len(w.slots))
	for _, s := range w.slots {
		if current := s.current(); current != nil && w.rolls(s, current) {
			slots = append(slots, rollout.Slot{
				ID: s.id, Current: current.Task, Running: w.runs(current), Tasks: s.tasks(), FreeAt: w.freeAt(s),
			})
		}
	}
	next := rollout.Next(w.svc, slots, w.began, w.now)
	w.svc.Rollout = next.Rollout
	w.wakeAt(next.Wake)
	for _, id := range next.Replace {
		old := w.slot(id).current()
		old.stop(specs.StateShutdown, w.reasonReplaced(old.Spec, next.Rollout.Target), w.now)
		w.fill(id, next.Rollout.Target, time.Time{})
	}
}

// reasonReplaced says why a task of the old spec makes way for one of the new.
func (w *work) reasonReplaced(old, new specs.Hash) string {
	was, _ := w.draft.TaskSpec(old)
	if is, _ := w.draft.TaskSpec(new); is.RestartOf(was) {
		return specs.ReasonRestarted
	}
	return specs.ReasonReplaced
}

// revive fills slots whose task is dead or was evicted with a task of the same
// spec, if the restart policy wants it. In a global service that takes a node
// which may have it.
func (w *work) revive() {
	policy := w.svc.Spec.Restart
	for _, s := range w.slots {
		current := s.current()
		switch {
		case current == nil || current.Wanted():
		case current.evicted():
			if policy.Condition != specs.RestartNone && w.takes(s) {
				w.fill(s.id, w.specAgain(current), time.Time{})
			}
		case w.keeps(s):
			w.restart(s, current)
		}
	}
}

// restart follows a task that ended by itself. The next one is made at once, to
// be prepared during the delay; but one that follows a task which could not be
// prepared is made after the delay, or it would be rejected as fast.
func (w *work) restart(s *slot, dead *row) {
	at, ok := restart.Next(w.svc.Spec.Restart, s.exits())
	switch {
	case !ok:
	case dead.Seen.State == specs.StateRejected && at.After(w.now):
		w.wakeAt(at)
	default:
		w.fill(s.id, dead.Spec, at)
	}
}

// fill gives the slot a new task that may start once the others of the slot
// are gone and at has come.
func (w *work) fill(id specs.SlotID, spec specs.Hash, at time.Time) {
	r := &row{Task: &specs.Task{
		ID:          w.newID(),
		ServiceID:   w.svc.ID,
		ServiceName: w.svc.Spec.Name,
		Slot:        id.Number,
		SlotNode:    id.Node,
		Spec:        spec,
		Created:     w.now,
		Want:        specs.TaskWant{Desired: specs.StateReady, StartAt: at, Since: w.now},
	}}
	if s := w.slot(id); s != nil {
		r.Attempts = s.attempts(spec)
		last := s.rows[len(s.rows)-1]
		if !r.Created.After(last.Created) { // Created orders the tasks of a slot
			r.Created = last.Created.Add(1)
		}
		if !last.Ended() {
			r.Want.After = last.ID
		}
	}
	w.add(r)
}
