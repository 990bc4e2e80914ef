package specs

import "fmt"

// State is a task's place in its life. States only move forward: compare them
// with < and >. The gaps leave room for states to come; the numbers are
// SwarmKit's and are part of the stored format.
type State int

// The states of a task, in their only order. NEW to ASSIGNED are decided by a
// manager, ACCEPTED to REJECTED are observed by the task's node. REMOVE is only
// ever desired, ORPHANED says that the node has been gone for too long.
const (
	StateNew       State = 0
	StatePending   State = 64
	StateAssigned  State = 192
	StateAccepted  State = 256
	StatePreparing State = 320
	StateReady     State = 384
	StateStarting  State = 448
	StateRunning   State = 512
	StateComplete  State = 576
	StateShutdown  State = 640
	StateFailed    State = 704
	StateRejected  State = 768
	StateRemove    State = 800
	StateOrphaned  State = 832
)

var stateNames = map[State]string{
	StateNew: "new", StatePending: "pending", StateAssigned: "assigned",
	StateAccepted: "accepted", StatePreparing: "preparing", StateReady: "ready",
	StateStarting: "starting", StateRunning: "running", StateComplete: "complete",
	StateShutdown: "shutdown", StateFailed: "failed", StateRejected: "rejected",
	StateRemove: "remove", StateOrphaned: "orphaned",
}

// Final reports whether a task in s will never run again.
func (s State) Final() bool { return s > StateRunning }

func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("state %d", int(s))
}

// MarshalText writes the state as people write it, in lower case.
func (s State) MarshalText() ([]byte, error) {
	if _, ok := stateNames[s]; !ok {
		return nil, fmt.Errorf("unknown task state %d", int(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *State) UnmarshalText(text []byte) error {
	for state, name := range stateNames {
		if name == string(text) {
			*s = state
			return nil
		}
	}
	return fmt.Errorf("unknown task state %q", text)
}
