// Package executor is the contract between the agent, which decides what runs
// on a node, and what really runs it: containers, plain processes, or memory in
// tests. Package executortest holds the conformance suite that every
// implementation passes.
//
// An executor holds no wishes. It does one step when told, says what exists,
// and reports ends. Everything it makes carries the task's ID, so that after a
// restart of the daemon List finds it again; what is not ours it never touches.
package executor

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Task is what an executor needs to know of a task.
type Task struct {
	ID          string
	Name        string // shop_web.1
	ServiceID   string
	ServiceName string
	Stack       string
	Slot        uint64
	Spec        specs.TaskSpec // its templates are expanded

	// Files are the task's secrets and configs. They lie in memory on this node
	// from before Prepare until after Remove, in FilesDir, which is this task's
	// alone; after a restart of the machine they are written anew before Prepare
	// is called again.
	Files    []File
	FilesDir string

	// Login asks for what opens the registry of the task's image, the zero Login if
	// nothing does, and is called only if the registry wants to know. What it
	// returns is not kept. Nil is none.
	Login func(context.Context) (specs.Login, error)
}

// File is a secret or a config of a task. The file at Source already has the
// owner and the mode, as far as the daemon may give them; only the daemon's user
// reaches it there by its path.
//
// A container sees it, read-only, at Target. A process sees it at Source, where
// Prepare makes it, and all of FilesDir, the property of the task's user.
type File struct {
	Source   string  // absolute path on the node, below FilesDir
	Target   string  // absolute, clean path in a container
	UID, GID *uint32 // nil is root in a container, the user of a task that is a process
	Mode     uint32  // permission bits
}

// Phase is how far a task's process has got, as the executor finds it.
type Phase int

// The phases of a task that exists in an executor.
const (
	// Preparing is half made: Prepare was interrupted, or the machine was
	// rebooted and took the process with it. Which of the two, the agent knows:
	// it remembers whether it had asked for a start. Prepare makes it whole,
	// Start and Wait find no process (ErrNotFound).
	Preparing Phase = iota
	Prepared        // made, never started
	Running
	Exited
	// Mute is there, and what keeps it does not say how far it has got: it hangs,
	// or the machine is too busy. That says nothing about the task; look again.
	Mute
)

// Found is one task that exists in an executor.
type Found struct {
	ID          string
	ServiceName string // empty if what is left of it does not tell
	Phase       Phase
	PID         int        // while it runs
	Exit        specs.Exit // once it exited
}

// Command is what Exec runs.
type Command struct {
	Args       []string
	Env        []string // K=V, over the task's own
	User       string   // empty is the task's
	WorkingDir string   // empty is the task's

	// TTY gives the command a terminal: its whole output goes to Stdout. Size is
	// the terminal's at first, the zero Size whatever it is; it is set again
	// whenever Resize yields, which nil never does.
	TTY    bool
	Size   Size
	Resize <-chan Size

	// Stdin is read until it ends or the command does; a Read that is under way
	// then is not waited for. Nil is an input without content. The command
	// waits for slow writers, and is killed when one fails; nil drops. One
	// writer that is both gets all in the order in which it was written.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Started is called once when the command runs, if it ever does, before Exec
	// returns; nil is not.
	Started func()
}

// Runs tells whoever wants to know that the command runs.
func (c Command) Runs() {
	if c.Started != nil {
		c.Started()
	}
}

// Size is a terminal's, in characters.
type Size struct {
	Width  uint16 `json:"width"`
	Height uint16 `json:"height"`
}

// Errors that callers branch on.
var (
	// ErrTemporary marks an error that says nothing about the task: the engine
	// is down or busy. The step is tried again.
	ErrTemporary = errors.New("temporary")
	// ErrNotFound is returned for a task that does not exist here.
	ErrNotFound = errors.New("no such task")
)

// Executor runs the tasks of one node. Methods are safe for concurrent use on
// different tasks; calls for one task come one at a time, but for Wait and Stop.
//
// Any error that is not ErrTemporary is final for the task and is shown to
// people as it is: it says what was tried, on what, and why it failed.
type Executor interface {
	// Describe says what the node can offer.
	Describe(ctx context.Context) (specs.NodeDescription, error)

	// Prepare makes everything that the task's process needs, up to but not
	// including its start: the image is here, the container exists. It is
	// idempotent. progress may be called with short words, "pull 41%".
	Prepare(ctx context.Context, task Task, progress func(string)) error

	// Start starts a prepared task and returns its process ID. Starting a
	// running task returns its process ID; a task that has exited is never
	// started again: that is an error. One that is not there, or is only half
	// made, is ErrNotFound.
	Start(ctx context.Context, id string) (pid int, err error)

	// Wait blocks until the task's process has ended, at once if it has, and
	// says how. It returns ctx.Err() when ctx ends first, ErrTemporary when the
	// engine went away, ErrNotFound when the task was removed behind our back.
	// Any other error says in words what else was done to the task, which runs on
	// all the same: it is to be stopped and removed.
	Wait(ctx context.Context, id string) (specs.Exit, error)

	// Stop sends the task's stop signal and, after grace, SIGKILL. It returns
	// once the process has ended; nil if it had ended before or never started.
	Stop(ctx context.Context, id string, grace time.Duration) error

	// Remove takes away everything that Prepare and Start made, killing the
	// process if it still runs, and finishes the log; nil if nothing is there.
	Remove(ctx context.Context, id string) error

	// List returns every task of ours that exists, in any phase.
	List(ctx context.Context) ([]Found, error)

	// Healthcheck returns the health check that the image of a prepared task
	// brings; nil if it brings none.
	Healthcheck(ctx context.Context, id string) (*specs.Healthcheck, error)

	// Exec runs a command inside a running task and returns its exit code once
	// it has ended and what it wrote has been passed on; 128+n if signal n ended
	// it. When ctx ends, the command is killed with what it has started, and the
	// error is ctx.Err(). ErrNotFound is a task that does not run here,
	// ErrTemporary an engine that is away or a disk that is full; any other error
	// says why the command could not be run. It may be called many times at once
	// for one task.
	Exec(ctx context.Context, id string, c Command) (code int, err error)
}
