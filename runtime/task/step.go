package task

import (
	"cmp"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Step is what follows when e happens to a task whose life is l: its life from
// then on and what to do next.
func Step(l Life, e Event, now time.Time) (Life, Action) {
	switch e := e.(type) {
	case Wanted:
		l.wanted(e.Desired)
	case Began:
		l.raise(specs.StatePreparing, now)
	case Progress:
		if l.Seen.State == specs.StatePreparing || l.Seen.State == specs.StateStarting {
			l.Seen.Message = e.Words
		}
	case Found:
		l.found(e, now)
	case Prepared:
		l.prepared(e, now)
	case Started:
		l.started(e, now)
	case Ended:
		l.ended(e, now)
	case Checked:
		l.checked(e, now)
	case Stopped:
		l.stopped(e)
	case Removed:
		l.removed(e)
	}
	l.settle(now)
	return l, l.next(now)
}

// next is the one thing to do for a task in this state.
func (l *Life) next(now time.Time) Action {
	do, check := Nothing, time.Duration(0)
	switch state := l.Seen.State; {
	case l.Over():
	case state.Final():
		do = Remove
	case l.Lost:
		do = Look
	case l.stopDue() && !l.Stopped:
		do = Stop
	case state < specs.StateReady || !l.Prepared:
		do = Prepare
	case l.running():
		do = Wait
		if !l.Stopped {
			check = l.nextCheck(now)
		}
	case state == specs.StateStarting:
		do = Start
	}
	return Action{do, l.delay(), check}
}

// settle makes the moves that need nothing but a decision.
func (l *Life) settle(now time.Time) {
	if l.Lost || l.Seen.State.Final() {
		return
	}
	neverRan := l.Seen.State < specs.StateStarting || l.Seen.State == specs.StateStarting && l.Stopped
	switch {
	case l.stopAsked() && neverRan:
		l.raise(specs.StateShutdown, now)
	case l.Seen.State == specs.StateReady && l.Prepared && l.Desired >= specs.StateRunning:
		l.raise(specs.StateStarting, now)
	}
}

func (l *Life) wanted(desired specs.State) {
	if desired > l.Desired {
		l.Desired, l.Tries = desired, 0
	}
}

func (l *Life) prepared(e Prepared, now time.Time) {
	switch {
	case l.again(e.Failure) || l.Seen.State >= specs.StateStarting:
	case e.Kind != Succeeded:
		l.fail(specs.StateRejected, e.Words, now)
	default:
		l.Prepared = true
		l.raise(specs.StateReady, now)
	}
}

func (l *Life) started(e Started, now time.Time) {
	if l.Seen.State != specs.StateStarting {
		return
	}
	switch {
	case l.again(e.Failure):
		l.Lost = e.Kind == Temporary // it may have started all the same
	case e.Kind == Missing:
		l.vanished(now)
	case e.Kind != Succeeded:
		l.fail(specs.StateFailed, e.Words, now)
	default:
		l.runs(e.PID, e.Check, now)
	}
}

func (l *Life) ended(e Ended, now time.Time) {
	if !l.running() {
		return
	}
	switch {
	case l.again(e.Failure):
		// A wait says nothing until it ends; that the engine is back, only a look says.
		l.Lost = e.Kind == Temporary
	case e.Kind == Missing:
		l.vanished(now)
	case e.Kind != Succeeded && l.Stopped:
		l.gone(e.Words, now)
	case e.Kind != Succeeded:
		l.Health.Sick = cmp.Or(l.Health.Sick, e.Words)
	default:
		l.exited(e.Exit, now)
	}
}

// stopped tries for ever: an end must not be reported before it is known.
func (l *Life) stopped(e Stopped) {
	if e.Kind == Succeeded || e.Kind == Missing {
		l.Tries, l.Stopped = 0, true
		l.Lost = l.Seen.State == specs.StateStarting // did it run before it was stopped?
		return
	}
	l.retry(e.Failure)
}

func (l *Life) removed(e Removed) {
	if e.Kind == Succeeded || e.Kind == Missing {
		l.Tries, l.Cleared = 0, l.Seen.State.Final()
		return
	}
	l.retry(e.Failure)
}

// found takes up a task where the executor has it.
func (l *Life) found(e Found, now time.Time) {
	if l.again(e.Failure) || l.Seen.State.Final() {
		return
	}
	asked := l.Seen.State >= specs.StateStarting // a process was asked for
	l.Lost, l.Prepared = false, e.Phase >= Made
	switch {
	case e.Phase == Exited:
		l.exited(e.Exit, now)
	case e.Phase == Running:
		l.Stopped = false
		l.runs(e.PID, e.Check, now)
	case e.Phase == Made && l.running(), e.Phase == HalfMade && asked:
		l.gone("task: its process is gone and left no exit code (was the machine restarted?)", now)
	case e.Phase == Made:
		l.raise(specs.StateReady, now)
	case e.Phase == Absent && asked:
		l.vanished(now)
	}
}

// again takes a failure that says nothing about the task and reports whether it
// was one. Whatever else happened ends the row of failures.
func (l *Life) again(f Failure) bool {
	switch f.Kind {
	case Temporary:
		l.retry(f)
		return true
	case Interrupted:
		return true
	}
	l.Tries = 0
	if !l.Seen.State.Final() {
		l.Seen.Message = ""
	}
	return false
}

func (l *Life) retry(f Failure) {
	if f.Kind == Interrupted {
		return
	}
	l.Tries++
	l.Seen.Message = f.Words
}

func (l *Life) exited(exit specs.Exit, now time.Time) {
	l.Seen.Exit = &exit
	switch {
	case l.stopAsked():
		l.raise(specs.StateShutdown, now)
	case l.Health.Sick != "":
		l.fail(specs.StateFailed, l.Health.Sick, now)
	case exit.Code == 0 && !exit.OOM:
		l.raise(specs.StateComplete, now)
	default:
		l.fail(specs.StateFailed, exitWords(exit, l.Memory), now)
	}
}

// exitWords says how a process ended, beginning as Docker does.
func exitWords(exit specs.Exit, limit specs.Bytes) string {
	words := fmt.Sprintf("task: non-zero exit (%d)", exit.Code)
	switch signal := outsiders[exit.Code]; {
	case exit.OOM && limit > 0:
		return words + fmt.Sprintf(": killed, out of memory (limit %s)", limit)
	case exit.OOM:
		return words + ": killed, out of memory"
	case signal != "":
		return words + ": ended by " + signal + ", which swarmgit did not send"
	}
	return words
}

// outsiders are the exit codes of the signals with which people and programs end
// what is not theirs.
var outsiders = map[int]string{128 + 9: "SIGKILL", 128 + 15: "SIGTERM"}

func (l *Life) vanished(now time.Time) {
	l.gone("task: it was removed behind swarmgit's back", now)
}

// gone ends a task whose process is no more and whose exit nobody knows.
func (l *Life) gone(words string, now time.Time) {
	if l.stopAsked() {
		l.raise(specs.StateShutdown, now)
		return
	}
	l.fail(specs.StateFailed, cmp.Or(l.Health.Sick, words), now)
}

func (l *Life) fail(state specs.State, words string, now time.Time) {
	if l.Seen.State.Final() {
		return
	}
	l.raise(state, now)
	l.Seen.Err = words
}

// raise moves the task forward to state; it never moves back.
func (l *Life) raise(state specs.State, now time.Time) {
	if state <= l.Seen.State || l.Seen.State.Final() {
		return
	}
	l.Seen.State, l.Seen.Since, l.Seen.Message = state, now, ""
	if state.Final() {
		l.Seen.PID, l.Tries = 0, 0
	}
}
