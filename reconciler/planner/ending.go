package planner

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// ending is how a simulation ended, compared with how it began.
type ending struct {
	services map[string]*serviceEnding // by ID
	paused   []Standstill              // by name
	took     time.Duration             // until the last task got further
	beyond   int                       // slots that the simulation did not come to
}

// serviceEnding is one service of it.
type serviceEnding struct {
	totals  Totals
	wanted  uint64
	gap     bool
	took    time.Duration
	resumes string       // why a rollout was paused that went on
	placed  []specs.Task // that started or restarted, in the order in which they were made
	pending []waiting
}

// waiting is a group of slots whose tasks have no node for one reason.
type waiting struct {
	slots  []specs.SlotID
	reason string
}

// end compares the cluster with what it was.
func (s *simulation) end(present store.Snapshot, began time.Time) ending {
	e := ending{services: make(map[string]*serviceEnding)}
	for svc := range present.Services() {
		e.services[svc.ID] = s.compare(present, svc.ID)
	}
	for svc := range s.snap.Services() {
		if _, known := e.services[svc.ID]; !known {
			e.services[svc.ID] = s.compare(present, svc.ID)
		}
		e.pause(present, s.snap, svc)
		if s.steps >= maxSteps {
			e.beyond += unsettled(s.snap, svc)
		}
	}
	slices.SortFunc(e.paused, func(a, b Standstill) int { return cmp.Compare(a.Service, b.Service) })
	for id, at := range s.last {
		e.services[id].took = at.Sub(began)
		e.took = max(e.took, at.Sub(began))
	}
	return e
}

// pause notes what became of a service that was paused before.
func (e *ending) pause(before, after store.Snapshot, svc specs.Service) {
	was, _ := before.Service(svc.ID)
	switch {
	case was.Rollout.State != specs.RolloutPaused || svc.Removed:
	case !svc.Rollout.Started.Equal(was.Rollout.Started):
		e.services[svc.ID].resumes = was.Rollout.Message
	case svc.Rollout.State == specs.RolloutPaused && converge.Wanted(after, svc) > 0:
		e.paused = append(e.paused, standstill(after, svc))
	}
}

func standstill(snap store.Snapshot, svc specs.Service) Standstill {
	s := Standstill{Service: svc.Spec.Name, Reason: svc.Rollout.Message, Wanted: converge.Wanted(snap, svc)}
	for t := range snap.TasksOf(svc.ID) {
		if converge.Runs(snap, &t) {
			s.Running++
			if t.Spec != svc.Spec.Task {
				s.Old++
			}
		}
	}
	return s
}

// slotEnding is one slot before and after.
type slotEnding struct {
	ran     map[string]bool // IDs of the tasks that ran before
	gap     bool            // they stopped before another one ran
	runs    *specs.Task     // the task that runs at the end
	waiting *specs.Task     // the task that has no node at the end
}

// compare counts the slots of one service.
func (s *simulation) compare(before store.Snapshot, serviceID string) *serviceEnding {
	slots := make(map[specs.SlotID]*slotEnding)
	slot := func(id specs.SlotID) *slotEnding {
		if slots[id] == nil {
			slots[id] = &slotEnding{ran: make(map[string]bool), gap: s.gaps[place{serviceID, id}]}
		}
		return slots[id]
	}
	for t := range before.TasksOf(serviceID) {
		if t.Seen.State == specs.StateRunning {
			slot(t.SlotID()).ran[t.ID] = true
		}
	}
	for t := range s.snap.TasksOf(serviceID) {
		switch {
		case t.Wanted() && t.Seen.State == specs.StateRunning:
			slot(t.SlotID()).runs = &t
		case t.Wanted() && t.Want.Node == "":
			slot(t.SlotID()).waiting = &t
		}
	}
	e := new(serviceEnding)
	if svc, left := s.snap.Service(serviceID); left {
		e.wanted = converge.Kept(s.snap, svc)
	}
	for _, id := range slices.SortedFunc(maps.Keys(slots), specs.SlotID.Compare) {
		e.count(slots[id])
	}
	slices.SortStableFunc(e.placed, func(a, b specs.Task) int { return a.Created.Compare(b.Created) })
	slices.SortStableFunc(e.pending, func(a, b waiting) int { return cmp.Compare(len(b.slots), len(a.slots)) })
	return e
}

// count counts one slot; slots come in order.
func (e *serviceEnding) count(s *slotEnding) {
	switch ran := len(s.ran) > 0; {
	case s.runs != nil && s.ran[s.runs.ID]:
		e.totals.Untouched++
	case s.runs != nil && ran:
		e.totals.Restart++
		e.gap = e.gap || s.gap
		e.placed = append(e.placed, *s.runs)
	case s.runs != nil:
		e.totals.Start++
		e.placed = append(e.placed, *s.runs)
	case ran:
		e.totals.Stop++
	}
	if s.waiting != nil {
		e.totals.Pending++
		e.wait(s.waiting)
	}
}

func (e *serviceEnding) wait(t *specs.Task) {
	for i, w := range e.pending {
		if w.reason == t.Want.Reason {
			e.pending[i].slots = append(w.slots, t.SlotID())
			return
		}
	}
	e.pending = append(e.pending, waiting{slots: []specs.SlotID{t.SlotID()}, reason: t.Want.Reason})
}

// unsettled counts the slots of a service that are not what they shall be.
func unsettled(snap store.Snapshot, svc specs.Service) int {
	live, settled := 0, 0
	for t := range snap.TasksOf(svc.ID) {
		switch {
		case t.Ended():
		case t.Wanted() && t.Spec == svc.Spec.Task && (t.Seen.State == specs.StateRunning || t.Want.Node == ""):
			settled++
		default:
			live++
		}
	}
	if svc.Removed {
		return live + settled
	}
	return int(max(converge.Wanted(snap, svc), uint64(settled))) - settled
}
