package wire

import (
	"net"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Procedures between nodes. The agent calls, the manager's dispatcher answers.
const (
	// Content is one version of a secret or config of a task of the node that calls.
	Content = Unary[ContentRequest, ContentReply]("/swarmgit.node/Content")
	// PublishLogs brings the logs that one LogRequest asked for.
	PublishLogs = ClientStream[LogBatch, PublishLogsReply]("/swarmgit.node/PublishLogs")
	// Leave says that the node that calls leaves the cluster. The manager that
	// leads forgets it; others answer NotLeader, and it is NotFound when they
	// have forgotten it already.
	Leave = Unary[LeaveRequest, LeaveReply]("/swarmgit.node/Leave")
)

// A node's session is a link: the agent opens it and says what it sees, the
// manager's dispatcher tells the node all that it is to know and do.
type (
	// NodeEnd is the agent's end of a session.
	NodeEnd = Link[NodeMessage, ManagerMessage]
	// ManagerEnd is the dispatcher's.
	ManagerEnd = Link[ManagerMessage, NodeMessage]
)

// NewNodeEnd returns the agent's end of a session over a connection that speaks
// Sessions.
func NewNodeEnd(conn net.Conn) *NodeEnd { return NewLink[NodeMessage, ManagerMessage](conn) }

// NodeMessage is what a node says, in one of its fields. The first is Open.
type NodeMessage struct {
	Open      *Open      `json:"open,omitempty"`
	Heartbeat *Heartbeat `json:"heartbeat,omitempty"` // answered with Heard
	Report    *Report    `json:"report,omitempty"`    // answered with Reported; until then there is no other
	Unable    *Unable    `json:"unable,omitempty"`
}

// ManagerMessage is something new for the node, in one of its fields. The first is
// its Place, the second all of its tasks. The link ends when the manager is no
// leader any more.
type ManagerMessage struct {
	Place       *Place       `json:"place,omitempty"`
	Assignments *Assignments `json:"assignments,omitempty"`
	Logs        *LogRequest  `json:"logs,omitempty"`    // answered with a call of PublishLogs
	Command     *ExecRequest `json:"command,omitempty"` // answered with a call of Exec
	Heard       *Heard       `json:"heard,omitempty"`
	Reported    *Reported    `json:"reported,omitempty"`
}

// Open opens a session of the node that calls. A second session of a node replaces
// the first.
type Open struct {
	Description specs.NodeDescription `json:"description"`
	Trouble
}

// Place is what a node has to know of the cluster and of itself. A manager that
// does not lead sends one without a SessionID, for its Managers, and ends the
// session as NotLeader; while nobody leads it waits a few seconds before.
type Place struct {
	SessionID string         `json:"session_id,omitempty"`
	Heartbeat specs.Duration `json:"heartbeat,omitempty"` // how often they are sent; after so long the first
	Managers  []Manager      `json:"managers,omitempty"`

	Role  specs.Role `json:"role,omitempty"`  // that the node is to have; another than its certificate's asks for a new one
	Renew string     `json:"renew,omitempty"` // digest of what its certificate is to be signed with (specs.Authority.Issuer); it asks for a new one now if its own is not
}

// Manager is where a manager is reached by nodes.
type Manager struct {
	NodeID string `json:"node_id"`
	Addr   string `json:"addr"`
	Leader bool   `json:"leader,omitempty"`
}

// Heartbeat says that the node lives, and how.
type Heartbeat struct {
	Trouble
}

// Trouble is what the operator should know of a node, in words; empty is nothing.
type Trouble struct {
	Node string `json:"trouble,omitempty"`
	Disk string `json:"disk,omitempty"` // of a manager: why it writes nothing; it cannot lead
}

// Heard says in how long the next heartbeat is to be sent.
type Heard struct {
	Next specs.Duration `json:"next"`
}

// Assignments is the whole set first, then changes to it. A task spec is sent
// once per session, before or with the first task that names it, and again after
// it was dropped.
type Assignments struct {
	Full   bool                          `json:"full,omitempty"` // Set is everything; what is not in it is gone
	Specs  map[specs.Hash]specs.TaskSpec `json:"specs,omitempty"`
	Set    []Assignment                  `json:"set,omitempty"`
	Remove []string                      `json:"remove,omitempty"` // task IDs that the cluster has forgotten
}

// Assignment is one task as its node needs to know it.
type Assignment struct {
	TaskID      string      `json:"task_id"`
	ServiceID   string      `json:"service_id"`
	ServiceName string      `json:"service_name"`
	Stack       string      `json:"stack"`
	Slot        uint64      `json:"slot,omitempty"`
	Spec        specs.Hash  `json:"spec"`
	Desired     specs.State `json:"desired"`

	// Labels are the service's, if the task's templates can name them.
	Labels map[string]string `json:"labels,omitempty"`

	// State is what the managers know of the task when it is first sent. A node
	// that has forgotten a task which got further must not run it again.
	State specs.State `json:"state,omitempty"`
}

// ContentRequest asks for what a task that is to run on the node refers to. Any
// other is PermissionDenied.
type ContentRequest struct {
	SessionID string     `json:"session_id"`
	TaskID    string     `json:"task_id"`
	Version   specs.Hash `json:"version"`
}

// ContentReply is what the secret or config holds.
type ContentReply struct {
	Content []byte `json:"content"`
}

// Report carries the latest state of each task that changed.
type Report struct {
	Tasks []TaskReport `json:"tasks"`
	Now   time.Time    `json:"now,omitzero"` // by the node's clock, as the times of the states are
}

// TaskReport is the latest state of one task.
type TaskReport struct {
	TaskID string         `json:"task_id"`
	Seen   specs.TaskSeen `json:"seen"`
}

// Reported acknowledges that what was reported is committed, or says why it never
// will be. A node whose session ends before reports it again in the next.
type Reported struct {
	Refused string `json:"refused,omitempty"`
}

// LogRequest wants the logs of some tasks of the node. Cancel ends an earlier
// request.
type LogRequest struct {
	ID     string    `json:"id"`
	Tasks  []string  `json:"tasks"`
	Follow bool      `json:"follow,omitempty"`
	Tail   int       `json:"tail,omitempty"` // last lines of each task; negative is all
	Since  time.Time `json:"since,omitzero"`
	Cancel bool      `json:"cancel,omitempty"`
}

// Unable is why a LogRequest or an ExecRequest is not answered with a call.
type Unable struct {
	RequestID string `json:"request_id"`
	Why       string `json:"why"`
}

// LogBatch carries lines for one request. The first batch of a stream names the
// request; the stream's end is the end of the logs.
type LogBatch struct {
	RequestID string    `json:"request_id,omitempty"`
	SessionID string    `json:"session_id,omitempty"`
	Lines     []LogLine `json:"lines,omitempty"`
	Err       string    `json:"err,omitempty"` // a log that could not be read, in words
}

// LogLine is one line that a task wrote.
type LogLine struct {
	TaskID string    `json:"task_id"`
	At     time.Time `json:"at"`
	Stderr bool      `json:"stderr,omitempty"`
	Text   []byte    `json:"text"` // without its newline
}

// PublishLogsReply ends a log stream.
type PublishLogsReply struct{}

// LeaveRequest says that the node that calls leaves.
type LeaveRequest struct{}

// LeaveReply says that the managers have forgotten the node.
type LeaveReply struct{}
