package planner

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/rollout"
	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// maxSteps bounds a simulation: steps of tasks, decided or done, and passes. It is
// what a plan may cost a manager, some seconds of one core at worst.
const maxSteps = 50_000

// simulation is a cluster whose tasks are all healthy, but for those that failed
// in a rollout which is still paused. Time stands still while
// there is something to decide, and then jumps to the next thing that happens.
type simulation struct {
	snap      store.Snapshot
	scheduler *scheduler.State // as of snap
	now       time.Time
	newID     func() string

	dirty  converge.Dirty
	wakes  map[string]time.Time // service ID -> when to look again
	agenda agenda               // what the workers are doing
	steps  int
	gaps   map[place]bool       // slots whose running task stopped before another one ran
	last   map[string]time.Time // service ID -> when a task of it last got further
}

// place is one slot of a service.
type place struct {
	service string // ID
	slot    specs.SlotID
}

// simulate applies the transaction and lets the cluster go on until nothing is
// left to do.
func simulate(present store.Snapshot, tx specs.Transaction, now time.Time) ending {
	s := newSimulation(present, now)
	s.run(tx)
	return s.end(present, now)
}

func newSimulation(present store.Snapshot, now time.Time) *simulation {
	return &simulation{
		snap: present, scheduler: scheduler.New(present), now: now, newID: placeholders(),
		dirty: converge.Dirty{All: true}, wakes: make(map[string]time.Time),
		agenda: agenda{latest: make(map[string]event)},
		gaps:   make(map[place]bool), last: make(map[string]time.Time),
	}
}

func (s *simulation) run(tx specs.Transaction) {
	s.apply(tx)
	for task := range s.snap.Tasks() {
		s.expect(task)
	}
	for s.steps < maxSteps {
		s.decide()
		if !s.advance() {
			break
		}
	}
}

// decide runs passes until one decides nothing.
func (s *simulation) decide() {
	for !s.dirty.Empty() && s.steps < maxSteps {
		s.steps++
		result := converge.Pass(converge.Input{
			Snapshot: s.snap, Scheduler: s.scheduler, Dirty: s.dirty, Now: s.now, NewID: s.newID,
		})
		s.dirty = converge.Dirty{}
		for id, at := range result.Wakes {
			// A time that is past asks for the look that was just taken.
			if delete(s.wakes, id); at.After(s.now) {
				s.wakes[id] = at
			}
		}
		for _, tx := range result.Transactions {
			s.steps += len(tx)
		}
		s.apply(result.Transactions...)
	}
}

// advance jumps to the next step of a worker or the next wake, whatever comes
// first, and lets it happen. It is false when nothing will.
func (s *simulation) advance() bool {
	next, found := s.agenda.peek()
	at := next.at
	for _, wake := range s.wakes {
		if !found || wake.Before(at) {
			at, found = wake, true
		}
	}
	if !found {
		return false
	}
	s.now = at
	for id, wake := range s.wakes {
		if !wake.After(s.now) {
			s.dirty.Add(dirtyService(id))
			delete(s.wakes, id)
		}
	}
	s.work()
	return true
}

func dirtyService(id string) converge.Dirty {
	return converge.Dirty{Services: map[string]struct{}{id: {}}}
}

// work lets the workers report what they have done by now.
func (s *simulation) work() {
	var tx specs.Transaction
	var stopped []specs.Task
	for {
		e, ok := s.agenda.take(s.now)
		if !ok {
			break
		}
		s.steps++
		task, _ := s.snap.Task(e.task)
		if e.next == specs.StateShutdown && task.Seen.State == specs.StateRunning {
			stopped = append(stopped, task)
		}
		task.Seen.State, task.Seen.Since = e.next, s.now
		if e.next == specs.StateRunning {
			task.Seen.Running = s.now
		}
		s.last[task.ServiceID] = s.now
		tx = append(tx, specs.Change{TaskSeen: specs.Set(task.ID, task.SeenVersion, task.Seen)})
	}
	if len(tx) > 0 {
		s.apply(tx)
	}
	for _, task := range stopped {
		if !s.covered(task) {
			s.gaps[place{task.ServiceID, task.SlotID()}] = true
		}
	}
}

// covered reports that another task of the slot runs.
func (s *simulation) covered(stopped specs.Task) bool {
	for task := range s.snap.TasksOf(stopped.ServiceID) {
		if task.SlotID() == stopped.SlotID() && task.ID != stopped.ID && task.Wanted() && task.Seen.State == specs.StateRunning {
			return true
		}
	}
	return false
}

// apply makes the transactions part of the cluster and notes what has to be
// looked at again.
func (s *simulation) apply(txs ...specs.Transaction) {
	draft := s.snap.Draft(s.snap.Index() + 1)
	touched := store.Touched{Services: make(map[string]struct{}), Tasks: make(map[string]struct{})}
	for _, tx := range txs {
		if err := draft.Apply(tx); err != nil {
			panic(fmt.Sprintf("plan: apply to the state it was made of: %v", err))
		}
		touch(&touched, tx)
	}
	before := s.snap
	s.snap = draft.Frozen()
	for _, id := range slices.Sorted(maps.Keys(touched.Tasks)) {
		s.follow(before, id)
	}
	for id := range touched.Services {
		s.resume(before, id)
	}
	s.dirty.Add(converge.Touches(before, s.snap, touched))
}

func touch(touched *store.Touched, tx specs.Transaction) {
	for _, c := range tx {
		switch {
		case c.Service != nil:
			touched.Services[c.Service.ID] = struct{}{}
		case c.Spec != nil:
			touched.Services[c.Spec.ID] = struct{}{}
		case c.Rollout != nil:
			touched.Services[c.Rollout.ID] = struct{}{}
		case c.Task != nil:
			touched.Tasks[c.Task.ID] = struct{}{}
		case c.TaskWant != nil:
			touched.Tasks[c.TaskWant.ID] = struct{}{}
		case c.TaskSeen != nil:
			touched.Tasks[c.TaskSeen.ID] = struct{}{}
		}
	}
}

// follow tells scheduler and worker of a task that changed.
func (s *simulation) follow(before store.Snapshot, id string) {
	was, had := before.Task(id)
	is, has := s.snap.Task(id)
	switch {
	case had && has:
		spec, _ := s.snap.TaskSpec(is.Spec)
		s.scheduler.Task(&was, &is, spec)
	case has:
		spec, _ := s.snap.TaskSpec(is.Spec)
		s.scheduler.Task(nil, &is, spec)
	case had:
		spec, _ := before.TaskSpec(was.Spec)
		s.scheduler.Task(&was, nil, spec)
	}
	if has {
		s.expect(is)
	} else {
		s.agenda.cancel(id)
	}
}

// resume expects of the tasks of a service that is not paused any more what it
// did not before.
func (s *simulation) resume(before store.Snapshot, serviceID string) {
	was, _ := before.Service(serviceID)
	is, _ := s.snap.Service(serviceID)
	if was.Rollout.State != specs.RolloutPaused || is.Rollout.State == specs.RolloutPaused {
		return
	}
	for task := range s.snap.TasksOf(serviceID) {
		s.expect(task)
	}
}

// expect plans the next step of the task's worker.
func (s *simulation) expect(task specs.Task) {
	node, _ := s.snap.Node(task.Want.Node)
	next, takes, ok := step(task, node)
	if !ok || next == specs.StateRunning && s.hopeless(task) {
		s.agenda.cancel(task.ID)
		return
	}
	s.agenda.set(event{
		at: s.now.Add(takes), service: task.ServiceName, slot: task.SlotID(), node: task.Want.Node, task: task.ID, next: next,
	})
}

// hopeless reports that nothing changed for a task of a spec that failed: the
// rollout of its service is paused, and the spec failed in this slot, or in
// another one and ran nowhere. That it would run this time is not for a plan to
// promise.
func (s *simulation) hopeless(task specs.Task) bool {
	svc, _ := s.snap.Service(task.ServiceID)
	if svc.Rollout.State != specs.RolloutPaused || task.Spec != svc.Rollout.Target {
		return false
	}
	here, failed, ran := false, false, false
	for t := range s.snap.TasksOf(svc.ID) {
		switch {
		case t.Spec != task.Spec:
		case rollout.Failed(&t, svc.Spec):
			failed, here = true, here || t.SlotID() == task.SlotID()
		default:
			ran = ran || rollout.Proven(&t, svc.Spec, s.now)
		}
	}
	return here || failed && !ran
}
