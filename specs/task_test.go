package specs_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/swarmgit/swarmgit/specs"
)

// states in their only order, with the numbers that are stored.
var (
	states = []State{
		StateNew, StatePending, StateAssigned, StateAccepted, StatePreparing, StateReady, StateStarting,
		StateRunning, StateComplete, StateShutdown, StateFailed, StateRejected, StateRemove, StateOrphaned,
	}
	numbers = []int{0, 64, 192, 256, 320, 384, 448, 512, 576, 640, 704, 768, 800, 832}
)

func TestStatesMoveForwardOnly(t *testing.T) {
	for i, s := range states {
		if int(s) != numbers[i] {
			t.Errorf("%s is stored as %d, want %d for ever", s, int(s), numbers[i])
		}
		if final := slices.Index(states, StateRunning) < i; s.Final() != final {
			t.Errorf("%s is final: %v, want %v", s, s.Final(), final)
		}
	}
	if !slices.IsSorted(states) {
		t.Error("the order of states is not the order of their numbers")
	}
}

func TestUnknownStates(t *testing.T) {
	if _, err := State(7).MarshalText(); err == nil {
		t.Error("state 7 is written")
	}
	var s State
	if err := s.UnmarshalText([]byte("sleeping")); err == nil || !strings.Contains(err.Error(), `"sleeping"`) {
		t.Errorf("got %v for a state that does not exist", err)
	}
	if State(7).String() != "state 7" {
		t.Errorf("state 7 prints as %s", State(7))
	}
}

func TestTaskState(t *testing.T) {
	assigned := TaskWant{Desired: StateRunning, Node: "n1"}
	for name, c := range map[string]struct {
		task  Task
		state State
		ended bool
	}{
		"just made":                  {Task{Want: TaskWant{Desired: StateRunning}}, StateNew, false},
		"with a reason to wait":      {Task{Want: TaskWant{Desired: StateRunning, Reason: "no node"}}, StatePending, false},
		"on a node":                  {Task{Want: assigned}, StateAssigned, false},
		"seen by its node":           {Task{Want: assigned, Seen: TaskSeen{State: StatePreparing}}, StatePreparing, false},
		"running":                    {Task{Want: assigned, Seen: TaskSeen{State: StateRunning}}, StateRunning, false},
		"being stopped":              {Task{Want: TaskWant{Desired: StateShutdown, Node: "n1"}, Seen: TaskSeen{State: StateRunning}}, StateRunning, false},
		"given up before its node":   {Task{Want: TaskWant{Desired: StateShutdown}}, StateNew, true},
		"given up on an unseen node": {Task{Want: TaskWant{Desired: StateShutdown, Node: "n1"}}, StateAssigned, false},
		"failed":                     {Task{Want: assigned, Seen: TaskSeen{State: StateFailed}}, StateFailed, true},
		"its node is lost":           {Task{Want: assigned, Seen: TaskSeen{State: StateOrphaned}}, StateOrphaned, true},
	} {
		if got := c.task.State(); got != c.state {
			t.Errorf("%s: %s, want %s", name, got, c.state)
		}
		if got := c.task.Ended(); got != c.ended {
			t.Errorf("%s: ended %v, want %v", name, got, c.ended)
		}
		if wanted := c.task.Want.Desired <= StateRunning; c.task.Wanted() != wanted {
			t.Errorf("%s: wanted %v, want %v", name, c.task.Wanted(), wanted)
		}
	}
}

func TestTaskName(t *testing.T) {
	replicated := Task{ServiceName: "shop_web", Slot: 2, Want: TaskWant{Node: "n1"}}
	global := Task{ServiceName: "agent", SlotNode: "n1"}
	if replicated.Name() != "shop_web.2" || global.Name() != "agent.n1" {
		t.Errorf("got %s and %s", replicated.Name(), global.Name())
	}
}
