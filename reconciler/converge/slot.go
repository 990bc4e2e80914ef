package converge

import (
	"time"

	"github.com/swarmgit/swarmgit/reconciler/restart"
	"github.com/swarmgit/swarmgit/specs"
)

// row is one task while a pass decides about it.
type row struct {
	*specs.Task             // as the pass has it by now
	was         *specs.Task // as the snapshot has it; nil if this pass made it
	forgotten   bool        // by this pass
}

// change is what is wanted of the task, to be changed. Most rows of most passes
// are not: they share their task with the snapshot.
func (r *row) change() *specs.TaskWant {
	if r.Task == r.was {
		own := *r.was
		r.Task = &own
	}
	return &r.Want
}

// stop asks the task to end, with a reason that people read. A task that was
// asked before keeps its time, from which its slot's patience counts.
func (r *row) stop(desired specs.State, reason string, now time.Time) {
	if r.Want.Desired >= desired {
		return
	}
	since := now
	if !r.Wanted() {
		since = r.Want.Since
	}
	*r.change() = specs.TaskWant{Desired: desired, Node: r.Want.Node, Reason: reason, Since: since}
}

// endedByItself reports an end that nobody asked for.
func (r *row) endedByItself() bool {
	return r.Seen.State.Final() && r.Seen.State != specs.StateOrphaned && r.Want.Reason == ""
}

// evicted reports that somebody asked the task to stop, or that its node is gone.
func (r *row) evicted() bool { return !r.Wanted() && !r.endedByItself() }

// slot is one number of a service, or one node of a global one, with every task
// that the cluster remembers of it, oldest first. Tasks that are desired to be
// removed do not count: a slot with no others does not exist.
type slot struct {
	id   specs.SlotID
	rows []*row
}

// current is the newest task that counts, alive or dead.
func (s *slot) current() *row {
	if r := s.wanted(); r != nil {
		return r
	}
	for i := len(s.rows) - 1; i >= 0; i-- {
		if s.rows[i].Want.Desired < specs.StateRemove {
			return s.rows[i]
		}
	}
	return nil
}

// wanted is the task that is meant to run, now or soon.
func (s *slot) wanted() *row {
	for i := len(s.rows) - 1; i >= 0; i-- {
		if s.rows[i].Wanted() {
			return s.rows[i]
		}
	}
	return nil
}

// end is a task's that the restart policy counts.
type end struct {
	*row
	number uint64 // from 1, since the last change of the slot's spec
}

// ends are those of the tasks of the current spec, back to the last change of spec.
func (s *slot) ends() []end {
	var ends []end
	current, number := s.current(), uint64(0)
	for _, r := range s.rows {
		number = max(number, r.Attempts)
		switch {
		case r.Want.Desired == specs.StateRemove || r.Spec != current.Spec:
			ends, number = nil, 0
		case r.endedByItself():
			number++
			ends = append(ends, end{r, number})
		}
	}
	return ends
}

// exits are what the restart policy is told of the ends.
func (s *slot) exits() []restart.Exit {
	var past []restart.Exit
	for _, e := range s.ends() {
		past = append(past, restart.Exit{State: e.Seen.State, At: e.Want.Since, Number: e.number})
	}
	return past
}

// attempts are the restarts of the slot that a new task of the spec comes after.
func (s *slot) attempts(spec specs.Hash) uint64 {
	current := s.current()
	if current == nil || current.Spec != spec {
		return 0
	}
	number := current.Attempts
	for _, e := range s.ends() {
		number = max(number, e.number)
	}
	return number
}

// remove asks every task of the slot to go and to be forgotten.
func (s *slot) remove(reason string, now time.Time) {
	for _, r := range s.rows {
		r.stop(specs.StateRemove, reason, now)
	}
}

func (s *slot) tasks() []*specs.Task {
	tasks := make([]*specs.Task, len(s.rows))
	for i, r := range s.rows {
		tasks[i] = r.Task
	}
	return tasks
}
