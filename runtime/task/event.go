package task

import "github.com/swarmgit/swarmgit/specs"

// Event is something that happened to a task: one of the types below.
type Event interface{ event() }

// Wanted is a wish of the managers.
type Wanted struct{ Desired specs.State }

// Began says that Prepare got its turn.
type Began struct{}

// Progress is what Prepare says of itself, "pull 41%", or what a start waits for.
type Progress struct{ Words string }

// Results of the actions. The zero Failure is success.
type (
	// Found is the result of Look.
	Found struct {
		Phase Phase
		PID   int
		Check Check // while it runs
		Exit  specs.Exit
		Failure
	}
	// Prepared is the result of Prepare.
	Prepared struct{ Failure }
	// Started is the result of Start.
	Started struct {
		PID   int
		Check Check
		Failure
	}
	// Ended is the result of Wait.
	Ended struct {
		Exit specs.Exit
		Failure
	}
	// Stopped is the result of Stop: the process has ended or never was.
	Stopped struct{ Failure }
	// Removed is the result of Remove.
	Removed struct{ Failure }
)

func (Wanted) event()   {}
func (Began) event()    {}
func (Progress) event() {}
func (Found) event()    {}
func (Prepared) event() {}
func (Started) event()  {}
func (Ended) event()    {}
func (Stopped) event()  {}
func (Removed) event()  {}

// Phase is how far a task had got when the executor was looked at.
type Phase int

// The phases.
const (
	Absent   Phase = iota // nothing of it is there
	HalfMade              // Prepare was interrupted, or the process went with a restart of the machine
	Made                  // prepared, never started
	Running
	Exited
)

// Failure is how an action failed.
type Failure struct {
	Kind  FailureKind
	Words string
}

// FailureKind is what a failure says about the task.
type FailureKind int

// The kinds of failures.
const (
	Succeeded   FailureKind = iota
	Final                   // the task cannot do this, ever
	Temporary               // the engine is away or busy; nothing about the task
	Missing                 // the executor has no such task
	Interrupted             // the driver was told to do something else
)
