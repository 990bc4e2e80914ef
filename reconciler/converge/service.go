package converge

import (
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/rollout"
	"github.com/swarmgit/swarmgit/specs"
)

// Reasons that people read beside a task that was told to stop.
const (
	reasonRemoved = "the service was removed"
	reasonScaled  = "the service was scaled down"
	reasonMode    = "the service changed its mode"
)

// work is one service while a pass decides about it.
type work struct {
	*pass
	svc   specs.Service
	was   specs.Rollout
	slots []*slot // by ID
	fits  *fit
	wake  time.Time
}

func (p *pass) load(svc specs.Service) *work {
	w := &work{pass: p, svc: svc, was: svc.Rollout}
	for t := range p.draft.TaskRowsOf(svc.ID) {
		w.add(&row{Task: t, was: t})
	}
	return w
}

// add appends a row to its slot; rows of a slot come oldest first.
func (w *work) add(r *row) {
	i, found := w.find(r.SlotID())
	if !found {
		w.slots = slices.Insert(w.slots, i, &slot{id: r.SlotID()})
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
	w.account()
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

// slot returns the slot of that ID, or nil.
func (w *work) slot(id specs.SlotID) *slot {
	if i, found := w.find(id); found {
		return w.slots[i]
	}
	return nil
}

// find returns the place of the slot, or where it would be.
func (w *work) find(id specs.SlotID) (place int, found bool) {
	return slices.BinarySearchFunc(w.slots, id, func(s *slot, id specs.SlotID) int { return s.id.Compare(id) })
}

// fit judges nodes by what the service demands.
func (w *work) fit() fit {
	if w.fits == nil {
		f := fitOf(w.draft.Snapshot, w.svc.Spec)
		w.fits = &f
	}
	return *w.fits
}

func (w *work) wakeAt(at time.Time) { w.wake = earliest(w.wake, at) }
