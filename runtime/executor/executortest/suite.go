package executortest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// Program is what the suite wants a task to do.
type Program int

// The programs.
const (
	Sleeper        Program = iota + 1 // runs until its stop signal
	Deaf                              // runs, ignores its stop signal
	ExitsWith7                        // ends at once with code 7
	ExitsWhenTold                     // ends with code 3 when Harness.End is called
	LeavesOthers                      // ends with code 0, and leaves processes that ignore its stop signal
	MissingImage                      // its image is nowhere; not asked of an engine without images
	MissingCommand                    // its command is not in the image
)

// Harness lends the suite an engine. Everything lives until the test ends.
type Harness struct {
	// Executor is a fresh executor over an engine without tasks.
	Executor executor.Executor
	// Restart throws the executor away, as a killed daemon does, and returns a
	// new one over the same engine, in which everything runs on.
	Restart func() executor.Executor
	// Spec is the spec of a task that does what a program says.
	Spec func(Program) specs.TaskSpec
	// Ready returns once a started Sleeper, Deaf or ExitsWhenTold listens to
	// signals: the first process of a container ignores them before. Nil is
	// at once.
	Ready func(id string)
	// End makes a running ExitsWhenTold end.
	End func(id string)
	// Read reads a file as a running task sees it, and says its permission bits.
	Read func(id, path string) (content []byte, mode fs.FileMode, err error)
	// Command is a command for Exec that does what the verbs say, one after the
	// other, and then succeeds: print=TEXT and complain=TEXT write a line,
	// var=NAME one with a variable, pwd one with the working directory; copy
	// writes its input; exit=N ends; sizes=WxH writes the size of its terminal,
	// again whenever it changes, until it is that one; deaf writes "ready" and
	// runs on, whatever it is told.
	Command func(verbs ...string) []string
	// Leftovers names everything of ours that the engine still has.
	Leftovers func() []string
}

// limit bounds every call of the suite: a call that takes longer hangs.
const limit = 2 * time.Minute

// Run checks an executor against the contract. Each test gets a new harness.
func Run(t *testing.T, new func(t *testing.T) Harness) {
	for name, test := range map[string]func(s *suite){
		"life of a task":               (*suite).life,
		"exit code":                    (*suite).exitCode,
		"steps are idempotent":         (*suite).idempotent,
		"never runs twice":             (*suite).neverTwice,
		"kill after grace":             (*suite).killAfterGrace,
		"stop before start":            (*suite).stopBeforeStart,
		"nothing outlives its task":    (*suite).leavesOthers,
		"ends while nobody looks":      (*suite).endsUnseen,
		"missing image":                (*suite).missingImage,
		"missing command":              (*suite).missingCommand,
		"unknown task":                 (*suite).unknownTask,
		"wait ends with its context":   (*suite).waitContext,
		"remove kills":                 (*suite).removeKills,
		"restart takes over":           (*suite).takeover,
		"many at once leave nothing":   (*suite).many,
		"describe":                     (*suite).describe,
		"several waiters see one end":  (*suite).severalWaiters,
		"secrets and configs are seen": (*suite).files,
		"a command runs":               (*suite).execRuns,
		"a command's output is whole":  (*suite).execIsWhole,
		"a command has a terminal":     (*suite).execTerminal,
		"a command is killed":          (*suite).execIsKilled,
		"a command is refused":         (*suite).execIsRefused,
		"a command ends with its task": (*suite).execEndsWithTask,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			test(&suite{T: t, Harness: new(t), ctx: ctx})
		})
	}
}

// suite is one test's view of its harness.
type suite struct {
	*testing.T
	Harness
	ctx context.Context
}

func (s *suite) task(n int, p Program) executor.Task {
	return executor.Task{
		ID: fmt.Sprintf("task%021d", n), Name: fmt.Sprintf("shop_web.%d", n), Slot: uint64(n),
		ServiceID: "service", ServiceName: "shop_web", Stack: "shop", Spec: s.Spec(p),
	}
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// wantErr checks that err is an error, and which one if target is given.
func (s *suite) wantErr(err, target error, what string) {
	s.Helper()
	switch {
	case err == nil:
		s.Fatalf("%s: no error", what)
	case target == nil && errors.Is(err, executor.ErrTemporary):
		s.Fatalf("%s: a final error is wanted, not %v", what, err)
	case target != nil && !errors.Is(err, target):
		s.Fatalf("%s: %v, want %v", what, err, target)
	}
}

func (s *suite) prepare(task executor.Task) {
	s.Helper()
	s.must(s.Executor.Prepare(s.ctx, task, func(string) {}))
}

func (s *suite) start(task executor.Task) int {
	s.Helper()
	s.prepare(task)
	pid, err := s.Executor.Start(s.ctx, task.ID)
	s.must(err)
	if pid <= 0 {
		s.Fatalf("start returned process ID %d", pid)
	}
	s.ready(task.ID)
	return pid
}

func (s *suite) ready(id string) {
	if s.Ready != nil {
		s.Ready(id)
	}
}

func (s *suite) wait(id string) specs.Exit {
	s.Helper()
	exit, err := s.Executor.Wait(s.ctx, id)
	s.must(err)
	return exit
}

// wantFound checks what List says of a task: want, and whose it is.
func (s *suite) wantFound(task executor.Task, want executor.Found) {
	s.Helper()
	want.ID, want.ServiceName = task.ID, task.ServiceName
	if found := s.listed(task.ID); len(found) != 1 || found[0] != want {
		s.Fatalf("task %s is listed as %+v, want %+v", task.ID, found, want)
	}
}

// listed is what List says of a task.
func (s *suite) listed(id string) []executor.Found {
	s.Helper()
	list, err := s.Executor.List(s.ctx)
	s.must(err)
	return slices.DeleteFunc(list, func(f executor.Found) bool { return f.ID != id })
}

func (s *suite) remove(id string) {
	s.Helper()
	s.must(s.Executor.Remove(s.ctx, id))
	if found := s.listed(id); len(found) > 0 {
		s.Fatalf("removed task %s is listed as %+v", id, found)
	}
}

func (s *suite) wantNothingLeft() {
	s.Helper()
	if left := s.Leftovers(); len(left) > 0 {
		s.Fatalf("left over: %q", left)
	}
}
