package task_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// at is a life at a state as it is in an undisturbed run.
func at(state, desired specs.State) task.Life {
	wish := specs.StateReady
	if state > specs.StateReady {
		wish = specs.StateRunning
	}
	l := task.Accept(wish, specs.StateAssigned, 64<<20, now)
	for _, e := range []task.Event{task.Began{}, task.Prepared{}, task.Started{PID: 7}} {
		if l.Seen.State < state {
			l, _ = task.Step(l, e, now)
		}
	}
	l.Desired = desired
	return l
}

func failed(kind task.FailureKind, words string) task.Failure {
	return task.Failure{Kind: kind, Words: words}
}

func TestStep(t *testing.T) {
	const (
		ready, running   = specs.StateReady, specs.StateRunning
		shutdown, remove = specs.StateShutdown, specs.StateRemove
	)
	temporary := failed(task.Temporary, "the engine is away")
	final := failed(task.Final, "no such image")
	missing := failed(task.Missing, "no such task")
	interrupted := failed(task.Interrupted, "")
	lost := func(state, desired specs.State) task.Life {
		l := at(state, desired)
		l.Lost = true
		return l
	}
	stopping := func(state specs.State) task.Life { return at(state, shutdown) }
	stopped := func() task.Life {
		l, _ := task.Step(stopping(running), task.Stopped{}, now)
		return l
	}
	ended := func() task.Life {
		l, _ := task.Step(stopped(), task.Ended{}, now)
		return l
	}
	meddled := func() task.Life {
		l, _ := task.Step(at(running, running), task.Ended{Failure: failed(task.Final, "paused")}, now)
		l, _ = task.Step(l, task.Stopped{}, now)
		return l
	}

	for _, tc := range []struct {
		name  string
		life  task.Life
		event task.Event
		state specs.State
		do    task.Do
		delay time.Duration
		words string // in Err, or else in Message
	}{
		// The straight way.
		{name: "accepted", life: at(specs.StateAccepted, running), event: task.Wanted{running}, state: specs.StateAccepted, do: task.Prepare},
		{name: "prepare got its turn", life: at(specs.StateAccepted, running), event: task.Began{}, state: specs.StatePreparing, do: task.Prepare},
		{name: "progress", life: at(specs.StatePreparing, running), event: task.Progress{"pull 41%"}, state: specs.StatePreparing, do: task.Prepare, words: "pull 41%"},
		{name: "prepared", life: at(specs.StatePreparing, running), event: task.Prepared{}, state: specs.StateStarting, do: task.Start},
		{name: "prepared, to wait", life: at(specs.StatePreparing, ready), event: task.Prepared{}, state: ready, do: task.Nothing},
		{name: "go", life: at(ready, ready), event: task.Wanted{running}, state: specs.StateStarting, do: task.Start},
		{name: "a job goes", life: at(ready, ready), event: task.Wanted{specs.StateComplete}, state: specs.StateStarting, do: task.Start},
		{name: "waits for its start", life: at(specs.StateStarting, running), event: task.Progress{"waits"}, state: specs.StateStarting, do: task.Start, words: "waits"},
		{name: "started", life: at(specs.StateStarting, running), event: task.Started{PID: 7}, state: running, do: task.Wait},
		{name: "ended well", life: at(running, running), event: task.Ended{}, state: specs.StateComplete, do: task.Remove},
		{name: "ended badly", life: at(running, running), event: task.Ended{Exit: specs.Exit{Code: 3}}, state: specs.StateFailed, do: task.Remove, words: "task: non-zero exit (3)"},
		{name: "out of memory", life: at(running, running), event: task.Ended{Exit: specs.Exit{Code: 137, OOM: true}}, state: specs.StateFailed, do: task.Remove, words: "task: non-zero exit (137): killed, out of memory (limit 64M)"},
		{name: "killed by others", life: at(running, running), event: task.Ended{Exit: specs.Exit{Code: 137}}, state: specs.StateFailed, do: task.Remove, words: "task: non-zero exit (137): ended by SIGKILL, which swarmgit did not send"},
		{name: "meddled with", life: at(running, running), event: task.Ended{Failure: failed(task.Final, "paused")}, state: running, do: task.Stop},
		{name: "meddled with and stopped", life: meddled(), event: task.Ended{Exit: specs.Exit{Code: 0}}, state: specs.StateFailed, do: task.Remove, words: "paused"},
		{name: "meddled with again", life: meddled(), event: task.Ended{Failure: failed(task.Final, "changed")}, state: specs.StateFailed, do: task.Remove, words: "paused"},
		{name: "meddled with in vain", life: stopped(), event: task.Ended{Failure: failed(task.Final, "changed")}, state: shutdown, do: task.Remove},

		// Stopping.
		{name: "stop before anything was made", life: at(specs.StateAccepted, running), event: task.Wanted{shutdown}, state: shutdown, do: task.Remove},
		{name: "stop during prepare", life: at(specs.StatePreparing, running), event: task.Wanted{shutdown}, state: shutdown, do: task.Remove},
		{name: "stop while ready", life: at(ready, ready), event: task.Wanted{remove}, state: shutdown, do: task.Remove},
		{name: "stop during start", life: at(specs.StateStarting, running), event: task.Wanted{shutdown}, state: specs.StateStarting, do: task.Stop},
		{name: "started after all", life: stopping(specs.StateStarting), event: task.Started{PID: 7}, state: running, do: task.Stop},
		{name: "start interrupted", life: stopping(specs.StateStarting), event: task.Started{Failure: interrupted}, state: specs.StateStarting, do: task.Stop},
		{name: "stopped during start: did it run?", life: stopping(specs.StateStarting), event: task.Stopped{}, state: specs.StateStarting, do: task.Look},
		{name: "stop", life: at(running, running), event: task.Wanted{shutdown}, state: running, do: task.Stop},
		{name: "wait interrupted by stop", life: stopping(running), event: task.Ended{Failure: interrupted}, state: running, do: task.Stop},
		{name: "stopped", life: stopping(running), event: task.Stopped{}, state: running, do: task.Wait},
		{name: "ended on request", life: stopped(), event: task.Ended{Exit: specs.Exit{Code: 143}}, state: shutdown, do: task.Remove},
		{name: "removed while it was stopped", life: stopped(), event: task.Ended{Failure: missing}, state: shutdown, do: task.Remove},
		{name: "stop fails", life: stopping(running), event: task.Stopped{final}, state: running, do: task.Stop, delay: time.Second, words: "no such image"},
		{name: "a wish never goes back", life: stopping(running), event: task.Wanted{running}, state: running, do: task.Stop},

		// Failing.
		{name: "prepare fails", life: at(specs.StatePreparing, running), event: task.Prepared{final}, state: specs.StateRejected, do: task.Remove, words: "no such image"},
		{name: "engine away in prepare", life: at(specs.StatePreparing, running), event: task.Prepared{temporary}, state: specs.StatePreparing, do: task.Prepare, delay: time.Second, words: "the engine is away"},
		{name: "start fails", life: at(specs.StateStarting, running), event: task.Started{Failure: final}, state: specs.StateFailed, do: task.Remove, words: "no such image"},
		{name: "no answer to start", life: at(specs.StateStarting, running), event: task.Started{Failure: temporary}, state: specs.StateStarting, do: task.Look, delay: time.Second, words: "the engine is away"},
		{name: "nothing to start", life: at(specs.StateStarting, running), event: task.Started{Failure: missing}, state: specs.StateFailed, do: task.Remove, words: "behind swarmgit's back"},
		{name: "engine away while it runs", life: at(running, running), event: task.Ended{Failure: temporary}, state: running, do: task.Look, delay: time.Second, words: "the engine is away"},
		{name: "removed behind our back", life: at(running, running), event: task.Ended{Failure: missing}, state: specs.StateFailed, do: task.Remove, words: "behind swarmgit's back"},

		// Looking.
		{name: "lost looks before it stops", life: lost(running, running), event: task.Wanted{shutdown}, state: running, do: task.Look},
		{name: "engine away in look", life: lost(running, running), event: task.Found{Failure: temporary}, state: running, do: task.Look, delay: time.Second, words: "the engine is away"},
		{name: "found nothing of a young task", life: lost(specs.StatePreparing, running), event: task.Found{}, state: specs.StatePreparing, do: task.Prepare},
		{name: "found nothing of a ready task", life: lost(ready, ready), event: task.Found{}, state: ready, do: task.Prepare},
		{name: "found half of a young task", life: lost(specs.StatePreparing, running), event: task.Found{Phase: task.HalfMade}, state: specs.StatePreparing, do: task.Prepare},
		{name: "found prepared", life: lost(specs.StatePreparing, ready), event: task.Found{Phase: task.Made}, state: ready, do: task.Nothing},
		{name: "found prepared, start was on its way", life: lost(specs.StateStarting, running), event: task.Found{Phase: task.Made}, state: specs.StateStarting, do: task.Start},
		{name: "found half of a started task", life: lost(specs.StateStarting, running), event: task.Found{Phase: task.HalfMade}, state: specs.StateFailed, do: task.Remove, words: "restarted"},
		{name: "found running before we knew", life: lost(specs.StateAccepted, running), event: task.Found{Phase: task.Running, PID: 9}, state: running, do: task.Wait},
		{name: "found running", life: lost(running, running), event: task.Found{Phase: task.Running, PID: 7}, state: running, do: task.Wait},
		{name: "found running, not wanted", life: lost(running, shutdown), event: task.Found{Phase: task.Running, PID: 7}, state: running, do: task.Stop},
		{name: "found ended", life: lost(running, running), event: task.Found{Phase: task.Exited, Exit: specs.Exit{Code: 4}}, state: specs.StateFailed, do: task.Remove, words: "task: non-zero exit (4)"},
		{name: "found ended on request", life: lost(running, shutdown), event: task.Found{Phase: task.Exited}, state: shutdown, do: task.Remove},
		{name: "found gone", life: lost(running, running), event: task.Found{}, state: specs.StateFailed, do: task.Remove, words: "behind swarmgit's back"},
		{name: "found gone, not wanted", life: lost(running, shutdown), event: task.Found{}, state: shutdown, do: task.Remove},
		{name: "found without its process", life: lost(running, running), event: task.Found{Phase: task.HalfMade}, state: specs.StateFailed, do: task.Remove, words: "restarted"},

		// After the end.
		{name: "removed", life: at(specs.StateAccepted, shutdown), event: task.Removed{}, state: shutdown, do: task.Remove},
		{name: "remove fails", life: ended(), event: task.Removed{final}, state: shutdown, do: task.Remove, delay: time.Second},
		{name: "nothing is left", life: ended(), event: task.Removed{}, state: shutdown, do: task.Nothing},
		{name: "a late answer", life: ended(), event: task.Started{PID: 8}, state: shutdown, do: task.Remove},

		// What no manager knows.
		{name: "discarded, looks first", life: task.Discard(now), event: task.Wanted{remove}, state: running, do: task.Look},
		{name: "discarded, runs", life: task.Discard(now), event: task.Found{Phase: task.Running, PID: 9}, state: running, do: task.Stop},
		{name: "discarded, ended", life: task.Discard(now), event: task.Found{Phase: task.Exited}, state: shutdown, do: task.Remove},
		{name: "discarded, never started", life: task.Discard(now), event: task.Found{Phase: task.Made}, state: shutdown, do: task.Remove},
		{name: "discarded, half made", life: task.Discard(now), event: task.Found{Phase: task.HalfMade}, state: shutdown, do: task.Remove},
		{name: "discarded, gone", life: task.Discard(now), event: task.Found{}, state: shutdown, do: task.Remove},
	} {
		t.Run(tc.name, func(t *testing.T) {
			life, action := task.Step(tc.life, tc.event, now.Add(time.Minute))
			if life.Seen.State != tc.state || action != (task.Action{Do: tc.do, Delay: tc.delay}) {
				t.Errorf("%s, then %s after %s; want %s, then %s after %s",
					life.Seen.State, action.Do, action.Delay, tc.state, tc.do, tc.delay)
			}
			if !strings.Contains(life.Seen.Err+life.Seen.Message, tc.words) {
				t.Errorf("says %q %q, want %q", life.Seen.Err, life.Seen.Message, tc.words)
			}
			if (life.Seen.Err != "") != (tc.state == specs.StateFailed || tc.state == specs.StateRejected) {
				t.Errorf("%s with the error %q", tc.state, life.Seen.Err)
			}
		})
	}
}

func TestSeenOfAWholeLife(t *testing.T) {
	l := task.Accept(specs.StateRunning, specs.StateAssigned, 0, now)
	step := func(e task.Event, minute int) { l, _ = task.Step(l, e, now.Add(time.Duration(minute)*time.Minute)) }
	step(task.Began{}, 1)
	step(task.Prepared{}, 2)
	step(task.Started{PID: 7}, 3)
	step(task.Ended{Exit: specs.Exit{Code: 1}}, 4)
	step(task.Removed{}, 5)
	want := specs.TaskSeen{
		State: specs.StateFailed, Since: now.Add(4 * time.Minute), Running: now.Add(3 * time.Minute),
		Err: "task: non-zero exit (1)", Exit: &specs.Exit{Code: 1},
	}
	if diff := cmp.Diff(want, l.Seen); diff != "" {
		t.Error(diff)
	}
	if !l.Over() {
		t.Errorf("not over: %+v", l)
	}
}

func TestRetriesSlowDownAndStartAfresh(t *testing.T) {
	l := at(specs.StatePreparing, specs.StateRunning)
	away := task.Prepared{failed(task.Temporary, "away")}
	var delays []time.Duration
	for range 8 {
		var action task.Action
		l, action = task.Step(l, away, now)
		delays = append(delays, action.Delay/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{1, 2, 4, 8, 16, 30, 30, 30}, delays); diff != "" {
		t.Error(diff)
	}
	l, action := task.Step(l, task.Prepared{}, now)
	if action != (task.Action{Do: task.Start}) || l.Seen.Message != "" {
		t.Errorf("after success: %+v %+v", action, l)
	}
}

func TestAForgottenTaskIsNotRunAgain(t *testing.T) {
	l := task.Accept(specs.StateRunning, specs.StateRunning, 0, now)
	l, action := task.Step(l, task.Wanted{specs.StateRunning}, now)
	if action.Do != task.Look {
		t.Fatalf("does %s", action.Do)
	}
	l, action = task.Step(l, task.Found{}, now)
	if l.Seen.State != specs.StateFailed || action.Do != task.Remove {
		t.Errorf("%s, then %s", l.Seen.State, action.Do)
	}

	l = task.Accept(specs.StateRunning, specs.StateFailed, 0, now)
	if _, action = task.Step(l, task.Wanted{specs.StateRunning}, now); action.Do != task.Remove {
		t.Errorf("a task that the managers know has failed: %s", action.Do)
	}
}
