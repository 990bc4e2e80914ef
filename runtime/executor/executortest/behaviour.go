package executortest

import (
	"context"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// Behaviour is how the tasks of an image behave in a [Memory]. The zero
// Behaviour takes no time to prepare and to start, runs until it is stopped,
// and obeys its stop signal at once.
type Behaviour struct {
	PrepareTakes time.Duration
	PrepareErr   string       // when set, Prepare fails finally with it, after PrepareTakes
	Registry     *specs.Login // that the image's registry asks for; nil asks for nothing
	StartTakes   time.Duration
	StartErr     string // when set, Start fails finally with it, after StartTakes

	RunsFor time.Duration // after this long it ends as Exit says; 0 is until stopped
	Exit    specs.Exit

	IgnoresStop bool          // only SIGKILL ends it
	StopTakes   time.Duration // from the stop signal to the end

	Healthcheck *specs.Healthcheck // that the image brings

	ExecStartTakes time.Duration // until a command runs in it

	// Exec is what a command does in the task; its ctx ends with the task too.
	// Nil succeeds at once.
	Exec func(ctx context.Context, task executor.Task, c executor.Command) (code int, err error)
}

// NoSuchImage is the behaviour of an image that is nowhere.
func NoSuchImage(image string) Behaviour {
	return Behaviour{PrepareErr: "image " + image + ": no such image"}
}

// Exits is the behaviour of a task that ends by itself.
func Exits(after time.Duration, code int) Behaviour {
	return Behaviour{RunsFor: after, Exit: specs.Exit{Code: code}}
}

// Op names a call to the executor.
type Op string

// The calls that can be made to fail.
const (
	OpDescribe Op = "describe"
	OpPrepare  Op = "prepare"
	OpStart    Op = "start"
	OpWait     Op = "wait"
	OpStop     Op = "stop"
	OpRemove   Op = "remove"
	OpList     Op = "list"
	OpHealth   Op = "healthcheck"
	OpExec     Op = "exec"
)

// Fault is a way in which a call fails. Each tells the caller ErrTemporary.
type Fault int

// The faults. The zero Fault is none.
const (
	NotDone       Fault = iota + 1 // nothing was done
	DoneButFailed                  // it was done, and reported failed
)
