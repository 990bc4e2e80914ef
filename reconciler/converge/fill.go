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
	var have []uint64
	var filled []orchestrator.Slot
	for _, s := range w.slots {
		current := s.current()
		if current == nil {
			continue
		}
		have = append(have, s.number)
		filled = append(filled, orchestrator.Slot{
			Number:  s.number,
			Node:    current.Want.Node,
			Running: current.Wanted() && current.Seen.State == specs.StateRunning,
		})
	}
	replicas := w.svc.Spec.WantedReplicas()
	for _, number := range orchestrator.Excess(filled, replicas) {
		w.slot(number).remove(reasonScaled, w.now)
	}
	for _, number := range orchestrator.Missing(have, replicas, maxNewSlots) {
		w.fill(number, rollout.SpecOfNewSlot(w.svc.Rollout), time.Time{})
	}
}

// roll lets the rollout replace tasks.
func (w *work) roll() {
	if state := w.svc.Rollout.State; state != specs.RolloutUpdating && state != specs.RolloutPaused {
		return
	}
	var slots []rollout.Slot
	for _, s := range w.slots {
		if current := s.current(); current != nil {
			slots = append(slots, rollout.Slot{Number: s.number, Current: &current.Task, Tasks: s.tasks()})
		}
	}
	next := rollout.Next(w.svc, slots, w.now)
	w.svc.Rollout = next.Rollout
	w.wakeAt(next.Wake)
	for _, number := range next.Replace {
		w.slot(number).current().stop(specs.StateShutdown, reasonReplaced, w.now)
		w.fill(number, next.Rollout.Target, time.Time{})
	}
}

// revive fills slots whose task is dead or was evicted with a task of the same
// spec, if the restart policy wants it.
func (w *work) revive() {
	policy := w.svc.Spec.Restart
	for _, s := range w.slots {
		current := s.current()
		switch {
		case current == nil || current.Wanted():
		case !current.endedByItself():
			if policy.Condition != specs.RestartNone {
				w.fill(s.number, current.Spec, time.Time{})
			}
		default:
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
		w.fill(s.number, dead.Spec, at)
	}
}

// fill gives the slot a new task that may start once the others of the slot
// are gone and at has come.
func (w *work) fill(number uint64, spec specs.Hash, at time.Time) {
	r := &row{made: true, Task: specs.Task{
		ID:          w.newID(),
		ServiceID:   w.svc.ID,
		ServiceName: w.svc.Spec.Name,
		Slot:        number,
		Spec:        spec,
		Created:     w.now,
		Want:        specs.TaskWant{Desired: specs.StateReady, StartAt: at, Since: w.now},
	}}
	if s := w.slot(number); s != nil {
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
