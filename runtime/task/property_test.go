package task_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
)

// world is the plainest executor that keeps the contract, and breaks down as
// the generator likes.
type world struct {
	*rapid.T
	phase  task.Phase
	exit   specs.Exit
	starts int
}

func (w *world) failure() task.Failure {
	kind := rapid.SampledFrom([]task.FailureKind{
		task.Succeeded, task.Succeeded, task.Succeeded, task.Temporary, task.Final, task.Interrupted,
	}).Draw(w.T, "failure")
	return task.Failure{Kind: kind, Words: "words"}
}

// do does what an executor does and answers what it may answer: also that it
// failed when it did not.
func (w *world) do(do task.Do) task.Event {
	f := w.failure()
	done := f.Kind == task.Succeeded || f.Kind == task.Temporary && rapid.Bool().Draw(w.T, "done all the same")
	switch do {
	case task.Look:
		if f.Kind != task.Succeeded {
			return task.Found{Failure: task.Failure{Kind: task.Temporary}}
		}
		return task.Found{Phase: w.phase, PID: 7, Exit: w.exit}
	case task.Prepare:
		if done && w.phase < task.Made {
			w.phase = task.Made
		}
		return task.Prepared{Failure: f}
	case task.Start:
		return w.start(done, f)
	case task.Wait:
		switch {
		case w.phase == task.Absent || w.phase == task.HalfMade:
			return task.Ended{Failure: task.Failure{Kind: task.Missing}}
		case w.phase == task.Exited && f.Kind != task.Temporary:
			return task.Ended{Exit: w.exit}
		}
		return task.Ended{Failure: task.Failure{Kind: task.Interrupted}}
	case task.Stop:
		if done && w.phase == task.Running {
			w.phase, w.exit = task.Exited, specs.Exit{Code: 143}
		}
		return task.Stopped{Failure: f}
	default:
		if done {
			w.phase = task.Absent
		}
		return task.Removed{Failure: f}
	}
}

func (w *world) start(done bool, f task.Failure) task.Event {
	switch {
	case w.phase == task.Absent || w.phase == task.HalfMade:
		return task.Started{Failure: task.Failure{Kind: task.Missing, Words: "words"}}
	case w.phase == task.Exited:
		return task.Started{Failure: task.Failure{Kind: task.Final, Words: "it has exited"}}
	case done && w.phase == task.Made:
		w.phase = task.Running
		w.starts++
	}
	return task.Started{PID: 7, Failure: f}
}

// disturb is what happens without being asked for.
func (w *world) disturb(l *task.Life) {
	switch rapid.IntRange(0, 9).Draw(w.T, "disturbance") {
	case 0: // the process ends
		if w.phase == task.Running {
			w.phase, w.exit = task.Exited, specs.Exit{Code: rapid.IntRange(0, 2).Draw(w.T, "code")}
		}
	case 1: // the machine restarts
		if w.phase != task.Absent {
			w.phase = task.HalfMade
		}
		l.Lost = !l.Seen.State.Final()
	case 2: // somebody else removes it
		w.phase = task.Absent
	case 3: // the daemon restarts
		l.Lost = !l.Seen.State.Final()
	}
}

var wishes = []specs.State{specs.StateReady, specs.StateRunning, specs.StateShutdown, specs.StateRemove}

// TestLives lets tasks live under disturbances and checks after every step that
// the state never goes back, that a task never runs twice, and that an end is
// never told of a task whose process lives. Then nothing disturbs any more, and
// every task that is to end ends.
func TestLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{T: t}
		l := task.Accept(rapid.SampledFrom(wishes[:2]).Draw(t, "desired"), specs.StateAssigned, 0, now)
		l, action := task.Step(l, task.Began{}, now)
		step := func(e task.Event) {
			before := l
			l, action = task.Step(l, e, now)
			if l.Seen.State < before.Seen.State {
				t.Fatalf("%T took the task from %s back to %s", e, before.Seen.State, l.Seen.State)
			}
			if before.Seen.State.Final() && l.Seen.State != before.Seen.State {
				t.Fatalf("%T changed the end %s to %s", e, before.Seen.State, l.Seen.State)
			}
			if l.Seen.State < specs.StateStarting && w.phase == task.Running && !l.Lost {
				t.Fatalf("a process runs, the task is %s", l.Seen.State)
			}
			if l.Desired < before.Desired {
				t.Fatalf("the wish went from %s to %s", before.Desired, l.Desired)
			}
		}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			w.disturb(&l)
			if rapid.IntRange(0, 5).Draw(t, "wish?") == 0 {
				step(task.Wanted{Desired: rapid.SampledFrom(wishes).Draw(t, "wish")})
				continue
			}
			// An answer to what was asked for, after a look if one is due.
			if l.Lost && !l.Seen.State.Final() {
				step(w.do(task.Look))
			} else if action.Do != task.Nothing {
				step(w.do(action.Do))
			}
		}
		if w.starts > 1 {
			t.Fatalf("started %d times", w.starts)
		}
		end(t, w, &l)
	})
}

// end wants the task gone and lets every action succeed: it must be over soon.
func end(t *rapid.T, w *world, l *task.Life) {
	const enough = 12
	var action task.Action
	*l, action = task.Step(*l, task.Wanted{Desired: specs.StateRemove}, now)
	calm := &world{T: t, phase: w.phase, exit: w.exit, starts: w.starts}
	for range enough {
		if l.Over() {
			break
		}
		*l, action = task.Step(*l, calm.calmly(action.Do), now)
	}
	if !l.Over() || calm.phase != task.Absent {
		t.Fatalf("not over after %d steps: next is %s, the executor has %d, %+v", enough, action.Do, calm.phase, *l)
	}
}

// calmly does what is asked for without a failure.
func (w *world) calmly(do task.Do) task.Event {
	switch do {
	case task.Look:
		return task.Found{Phase: w.phase, PID: 7, Exit: w.exit}
	case task.Wait:
		if w.phase != task.Exited {
			return task.Ended{Failure: task.Failure{Kind: task.Missing}}
		}
		return task.Ended{Exit: w.exit}
	case task.Stop:
		if w.phase == task.Running {
			w.phase, w.exit = task.Exited, specs.Exit{Code: 143}
		}
		return task.Stopped{}
	case task.Remove:
		w.phase = task.Absent
		return task.Removed{}
	}
	return task.Wanted{Desired: specs.StateRemove}
}

// TestAnyEventInAnyState feeds events that no driver would: nothing goes back,
// nothing panics, and an answer is always one action.
func TestAnyEventInAnyState(t *testing.T) {
	states := []specs.State{
		specs.StateAccepted, specs.StatePreparing, specs.StateReady, specs.StateStarting, specs.StateRunning,
		specs.StateComplete, specs.StateShutdown, specs.StateFailed, specs.StateRejected,
	}
	kinds := []task.FailureKind{task.Succeeded, task.Final, task.Temporary, task.Missing, task.Interrupted}
	rapid.Check(t, func(t *rapid.T) {
		f := task.Failure{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Words: "words"}
		events := []task.Event{
			task.Wanted{Desired: rapid.SampledFrom(wishes).Draw(t, "wish")}, task.Began{}, task.Progress{Words: "1%"},
			task.Found{Phase: task.Phase(rapid.IntRange(0, 4).Draw(t, "phase")), Failure: f},
			task.Prepared{Failure: f}, task.Started{PID: 7, Failure: f}, task.Ended{Failure: f},
			task.Stopped{Failure: f}, task.Removed{Failure: f},
		}
		l := task.Life{
			Desired:  rapid.SampledFrom(wishes).Draw(t, "desired"),
			Seen:     specs.TaskSeen{State: rapid.SampledFrom(states).Draw(t, "state")},
			Lost:     rapid.Bool().Draw(t, "lost"),
			Prepared: rapid.Bool().Draw(t, "prepared"),
			Stopped:  rapid.Bool().Draw(t, "stopped"),
			Tries:    rapid.IntRange(0, 100).Draw(t, "tries"),
		}
		next, action := task.Step(l, rapid.SampledFrom(events).Draw(t, "event"), now)
		if next.Seen.State < l.Seen.State || next.Desired < l.Desired {
			t.Fatalf("went back: %+v to %+v", l, next)
		}
		if action.Delay < 0 || action.Delay > 30*time.Second {
			t.Fatalf("waits %s", action.Delay)
		}
		if action.Do == task.Nothing && !next.Over() && (next.Seen.State != specs.StateReady || next.Desired != specs.StateReady) {
			t.Fatalf("stuck: %+v", next)
		}
	})
}
