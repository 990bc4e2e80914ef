package converge

import (
	"cmp"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/orchestrator"
	"github.com/swarmgit/swarmgit/reconciler/restart"
	"github.com/swarmgit/swarmgit/reconciler/rollout"
	"github.com/swarmgit/swarmgit/specs"
)

const (
	// maxNewSlots bounds the memory of one pass over one service; the next pass
	// adds the rest.
	maxNewSlots = 10_000
	// taskTimeout is how long a slot's new task waits for the old one to stop,
	// unless the old one was promised more.
	taskTimeout = time.Minute
	// graceMargin is what a node may need beyond the grace period of a task.
	graceMargin = 10 * time.Second
)

// Reasons that people read beside a task that was told to stop.
const (
	reasonRemoved  = "the service was removed"
	reasonScaled   = "the service was scaled down"
	reasonReplaced = "replaced by a task of the new spec"
)

// work is one service while a pass decides about it.
type work struct {
	*pass
	svc   specs.Service
	was   specs.Rollout
	slots []*slot // by number
	unfit map[string]string
	wake  time.Time
}

func (p *pass) load(svc specs.Service) *work {
	w := &work{pass: p, svc: svc, was: svc.Rollout, unfit: make(map[string]string)}
	for t := range p.draft.TasksOf(svc.ID) {
		w.add(&row{Task: t, was: t.Want})
	}
	return w
}

// add appends a row to its slot; rows of a slot come oldest first.
func (w *work) add(r *row) {
	i, found := len(w.slots), false
	if i > 0 && w.slots[i-1].number == r.Slot {
		i, found = i-1, true
	} else {
		i, found = slices.BinarySearchFunc(w.slots, r.Slot, func(s *slot, number uint64) int {
			return cmp.Compare(s.number, number)
		})
	}
	if !found {
		w.slots = slices.Insert(w.slots, i, &slot{number: r.Slot})
	}
	w.slots[i].rows = append(w.slots[i].rows, r)
}

// step is the pass over one service.
func (w *work) step() {
	if w.svc.Removed {
		w.remove()
	} else {
		w.svc.Rollout = rollout.Begin(w.svc, w.now)
		w.noteEnds()
		w.evict()
		w.scale()
		w.roll()
		w.revive()
		w.start()
		w.place()
	}
	w.forget()
}

// remove asks all tasks to go. The rollout is forgotten: the service, should it
// come back, starts anew.
func (w *work) remove() {
	w.svc.Rollout = specs.Rollout{}
	for _, s := range w.slots {
		s.remove(reasonRemoved, w.now)
	}
}

// noteEnds marks tasks that ended though they were wanted.
func (w *work) noteEnds() {
	for _, s := range w.slots {
		for _, r := range s.rows {
			if r.Seen.State.Final() {
				r.stop(specs.StateShutdown, "", w.now)
			}
		}
	}
}

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
	if w.svc.Rollout.State != specs.RolloutUpdating {
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

// start lets tasks run that have waited long enough.
func (w *work) start() {
	for _, s := range w.slots {
		r := s.wanted()
		if r == nil || r.Want.Desired != specs.StateReady {
			continue
		}
		at := r.Want.StartAt
		for _, other := range s.rows {
			if until := w.holdsUntil(other); other != r && until.After(at) {
				at = until
			}
		}
		if at.After(w.now) {
			w.wakeAt(at)
			continue
		}
		r.Want.Desired, r.Want.StartAt, r.Want.After, r.Want.Since = specs.StateRunning, time.Time{}, "", w.now
	}
}

// holdsUntil is how long a task that was told to stop keeps its successor
// waiting; it is zero when its process cannot be running.
func (w *work) holdsUntil(r *row) time.Time {
	if r.Ended() || w.node(r.Want.Node).lost() {
		return time.Time{}
	}
	grace := specs.DefaultStopGrace
	if spec, ok := w.draft.TaskSpec(r.Spec); ok && spec.StopGrace != nil {
		grace = time.Duration(*spec.StopGrace)
	}
	return r.Want.Since.Add(max(taskTimeout, grace+graceMargin))
}

// slot returns the slot of that number, or nil.
func (w *work) slot(number uint64) *slot {
	i, found := slices.BinarySearchFunc(w.slots, number, func(s *slot, number uint64) int {
		return cmp.Compare(s.number, number)
	})
	if !found {
		return nil
	}
	return w.slots[i]
}

func (w *work) wakeAt(at time.Time) { w.wake = earliest(w.wake, at) }
