package specs

import (
	"cmp"
	"time"
)

// Task is one slot of a service filled once. It never runs twice and never
// moves: it is replaced.
type Task struct {
	// Written once, when converge creates the task.
	ID          string    `json:"id"`
	ServiceID   string    `json:"service_id"`
	ServiceName string    `json:"service_name"`        // a task is named even after its service is gone
	Slot        uint64    `json:"slot,omitempty"`      // from 1; 0 in a global service
	SlotNode    string    `json:"slot_node,omitempty"` // in a global service: the node whose task it is, also while it waits for room there
	Spec        Hash      `json:"spec"`
	Attempts    uint64    `json:"attempts,omitempty"` // restarts of the slot with this spec so far, this one included, as the restart policy counts
	Created     time.Time `json:"created"`

	// Want is written by converge.
	Want        TaskWant `json:"want"`
	WantVersion uint64   `json:"want_version"`

	// Seen is written by the dispatcher from what the node reports.
	Seen        TaskSeen `json:"seen,omitzero"`
	SeenVersion uint64   `json:"seen_version,omitempty"`
}

// The reasons of tasks that made way for the next of their slot: in an operator's
// restart, and because the service asks for another task now.
const (
	ReasonRestarted = "restarted by an operator"
	ReasonReplaced  = "replaced by a task of the new spec"
)

// TaskWant is what the managers decided for a task.
type TaskWant struct {
	Desired State     `json:"desired"`           // ready, running, complete, shutdown or remove
	Node    string    `json:"node,omitempty"`    // empty until the task is assigned; never changed after
	Reason  string    `json:"reason,omitempty"`  // why it is not assigned, or why it is being stopped
	StartAt time.Time `json:"start_at,omitzero"` // with desired ready: not to run before
	After   string    `json:"after,omitempty"`   // with desired ready: the task ID whose end is waited for
	Since   time.Time `json:"since,omitzero"`    // when Desired was decided
}

// TaskSeen is what a task's node observed, latest state only.
type TaskSeen struct {
	State   State     `json:"state,omitempty"`
	Since   time.Time `json:"since,omitzero"`    // when State was entered
	Running time.Time `json:"running,omitzero"`  // when RUNNING was entered; zero if it never was
	Message string    `json:"message,omitempty"` // progress: "pull 41%"
	Err     string    `json:"err,omitempty"`     // why it failed or was rejected
	Exit    *Exit     `json:"exit,omitempty"`
	PID     int       `json:"pid,omitempty"` // while it runs

	Health HealthSeen `json:"health,omitzero"` // of a task that is checked
}

// Exit is how a task's process ended.
type Exit struct {
	Code int  `json:"code"`
	OOM  bool `json:"oom,omitempty"` // killed because it reached its memory limit
}

// SlotID is the slot of the service that the task fills.
func (t Task) SlotID() SlotID { return SlotID{t.Slot, t.SlotNode} }

// Name is the task's name, "shop_web.1", or "agent.<node>" in a global service.
func (t Task) Name() string { return t.ServiceName + "." + t.SlotID().String() }

// Node is the ID of the node that the task is on, or that it waits for in a global
// service; "" if it can be on any.
func (t Task) Node() string { return cmp.Or(t.Want.Node, t.SlotNode) }

// State is the task's current state, from whoever saw it last: the node once it
// has accepted the task, the managers before.
func (t Task) State() State {
	switch {
	case t.Seen.State != StateNew:
		return t.Seen.State
	case t.Want.Node != "":
		return StateAssigned
	case t.Want.Reason != "":
		return StatePending
	}
	return StateNew
}

// Ended reports that no process of the task exists or will exist: its node saw
// the end, or it never had a node and is not wanted any more.
func (t Task) Ended() bool {
	return t.Seen.State.Final() || t.Want.Node == "" && t.Want.Desired > StateRunning
}

// Wanted reports that the task is meant to run, now or soon.
func (t Task) Wanted() bool { return t.Want.Desired <= StateRunning }
