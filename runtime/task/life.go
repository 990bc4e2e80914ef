package task

import (
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Life is all that a node remembers of a task besides its spec. The agent keeps
// it on disk.
type Life struct {
	Desired specs.State    `json:"desired"`
	Seen    specs.TaskSeen `json:"seen"`

	Lost     bool `json:"lost,omitempty"`     // what the executor has of it is not known: look first
	Prepared bool `json:"prepared,omitempty"` // everything that its process needs is there
	Stopped  bool `json:"stopped,omitempty"`  // it was stopped on request; only its exit is missing
	Cleared  bool `json:"cleared,omitempty"`  // nothing of it is left in the executor

	Health Health `json:"health,omitzero"`

	Tries  int         `json:"tries,omitempty"`  // failures of this step in a row that say nothing about the task
	Memory specs.Bytes `json:"memory,omitempty"` // its limit, for the words about its end
}

// Accept begins the life of a task that was just assigned. known is the state
// that the managers know of it: if the task got further than being assigned,
// this node has forgotten it, and looks before it does anything.
func Accept(desired, known specs.State, memory specs.Bytes, now time.Time) Life {
	return Life{
		Desired: desired,
		Seen:    specs.TaskSeen{State: max(known, specs.StateAccepted), Since: now},
		Lost:    known >= specs.StateAccepted,
		Memory:  memory,
	}
}

// Discard is the life of something in the executor that no manager knows: it may
// run, and has only its end and its removal before it.
func Discard(now time.Time) Life {
	return Life{Desired: specs.StateRemove, Seen: specs.TaskSeen{State: specs.StateRunning, Since: now}, Lost: true}
}

// Over reports that nothing is left to do.
func (l Life) Over() bool { return l.Seen.State.Final() && l.Cleared }

// stopAsked reports that the managers want the task to end. A job's desired
// state COMPLETE wants it to run to its own end.
func (l Life) stopAsked() bool { return l.Desired >= specs.StateShutdown }

// stopDue reports that the process is to be stopped, whoever wants it.
func (l Life) stopDue() bool { return l.stopAsked() || l.Health.Sick != "" }

// Do names what can be done for a task.
type Do int

// The actions. Each is idempotent.
const (
	Nothing Do = iota // until the managers want something else
	Look              // find out what the executor has of the task
	Prepare
	Start
	Wait
	Stop
	Remove
)

var doNames = [...]string{"nothing", "look", "prepare", "start", "wait", "stop", "remove"}

func (d Do) String() string { return doNames[d] }

// Action is what the driver does next, after Delay.
type Action struct {
	Do    Do
	Delay time.Duration

	// Check, during a Wait, is after how long the task's health is checked next,
	// unless a check is on its way; 0 is never.
	Check time.Duration
}

const (
	firstRetry = time.Second // Swarm's
	lastRetry  = 30 * time.Second
)

// delay grows with the failures of a step in a row.
func (l Life) delay() time.Duration {
	if l.Tries == 0 {
		return 0
	}
	return min(firstRetry<<min(l.Tries-1, 5), lastRetry)
}
