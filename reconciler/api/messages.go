package api

import (
	"time"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// The procedures of the control API. Each is a POST of a JSON object; streams
// are Connect's enveloped JSON. An empty list is [], never null.
const (
	GetStatus      = wire.Unary[Empty, StatusReply]("/swarmgit.api/GetStatus")
	ListNodes      = wire.Unary[Empty, ListNodesReply]("/swarmgit.api/ListNodes")
	InspectNode    = wire.Unary[ByName, Node]("/swarmgit.api/InspectNode")
	UpdateNode     = wire.Unary[UpdateNodeRequest, UpdateNodeReply]("/swarmgit.api/UpdateNode")
	RemoveNode     = wire.Unary[RemoveNodeRequest, Empty]("/swarmgit.api/RemoveNode")
	WatchDrain     = wire.ServerStream[ByName, DrainReply]("/swarmgit.api/WatchDrain")
	ListServices   = wire.Unary[ListServicesRequest, ListServicesReply]("/swarmgit.api/ListServices")
	InspectService = wire.Unary[ByName, Service]("/swarmgit.api/InspectService")
	ListTasks      = wire.Unary[ListTasksRequest, ListTasksReply]("/swarmgit.api/ListTasks")
	ListStacks     = wire.Unary[Empty, ListStacksReply]("/swarmgit.api/ListStacks")
	ListRevisions  = wire.Unary[ListRevisionsRequest, ListRevisionsReply]("/swarmgit.api/ListRevisions")
	Plan           = wire.Unary[PlanRequest, PlanReply]("/swarmgit.api/Plan")
	Wait           = wire.ServerStream[WaitRequest, WaitReply]("/swarmgit.api/Wait")
	Logs           = wire.ServerStream[LogsRequest, LogsReply]("/swarmgit.api/Logs")

	// GitURL answers over the daemon's own socket only.
	GitURL = wire.Unary[Empty, GitURLReply]("/swarmgit.api/GitURL")
)

// Empty is the request or the answer that says nothing more.
type Empty struct{}

// ByName names one object: by ID, by a unique prefix of its ID, or by name.
// Services also answer to "shop/web", nodes to their hostname and to "self".
type ByName struct {
	Name string `json:"name"`
}

// StatusReply is the cluster in one screen.
type StatusReply struct {
	Cluster   string        `json:"cluster"`
	Version   string        `json:"version"`
	Nodes     NodeCounts    `json:"nodes"`
	Managers  ManagerCounts `json:"managers"`
	Leader    string        `json:"leader,omitempty"`   // hostname; "" while nobody leads
	Unread    string        `json:"unread,omitempty"`   // why the manager that answers knows no more than how the managers are
	WayBack   string        `json:"way_back,omitempty"` // what to do if nobody will ever lead, once nobody has for long
	Revision  *Revision     `json:"revision,omitempty"`
	Degraded  bool          `json:"degraded,omitempty"` // the revision is healthy and has lost tasks since
	Sources   []Source      `json:"sources,omitempty"`  // outside ones; Revision is of the cluster's own remote
	Stacks    []StackCount  `json:"stacks"`
	Troubles  []TaskTrouble `json:"troubles,omitempty"` // worst first
	Disk      string        `json:"disk,omitempty"`     // why writes are refused, when they are: whose disk is full
	Held      string        `json:"held,omitempty"`     // why lost tasks are not replaced yet, when they are not
	Rotation  string        `json:"rotation,omitempty"` // of the root certificate: which nodes hold it up until somebody does something
	Timestamp time.Time     `json:"timestamp"`
}

// NodeCounts counts nodes by what they can do. While nobody leads it is not
// known which are ready.
type NodeCounts struct {
	Ready int      `json:"ready"`
	Total int      `json:"total"`
	Down  []string `json:"down,omitempty"` // hostnames
	// Drained and Paused take no new tasks, as somebody has wished.
	Drained []string `json:"drained,omitempty"`
	Paused  []string `json:"paused,omitempty"`
	// Expiring are the nodes whose certificate should have been renewed by now, the
	// one that runs out next first.
	Expiring []NodeExpiry `json:"expiring,omitempty"`
	// Troubled is what the operator should know of nodes, each behind its hostname.
	Troubled []string `json:"troubled,omitempty"`
}

// NodeExpiry is until when a node's certificate is good.
type NodeExpiry struct {
	Node  string    `json:"node"` // hostname
	Until time.Time `json:"until"`
}

// ManagerCounts counts the managers that vote.
type ManagerCounts struct {
	Total       int      `json:"total"`
	Reachable   int      `json:"reachable"`
	CanLose     int      `json:"can_lose"`              // more of them, while changes go on
	Unreachable []string `json:"unreachable,omitempty"` // hostnames
	Advice      string   `json:"advice,omitempty"`      // how many would be better
}

// StackCount is one stack's tasks.
type StackCount struct {
	Name     string `json:"name"`
	Running  int    `json:"running"`
	Wanted   int    `json:"wanted"`
	Services int    `json:"services"`
}

// TaskTrouble is a wanted task that is not running, and why.
type TaskTrouble struct {
	Stack  string      `json:"stack"`
	Task   string      `json:"task"`             // shop_web.3
	Node   string      `json:"node,omitempty"`   // hostname of its node, if it has one
	Others int         `json:"others,omitempty"` // tasks of the service in the same trouble, on whatever nodes
	State  specs.State `json:"state"`
	Since  time.Time   `json:"since,omitzero"`
	Reason string      `json:"reason"`
}

// Revision is one revision as a list shows it.
type Revision struct {
	specs.Revision
	Current bool `json:"current,omitempty"` // the commit that the cluster is at
}

// Node is one node as the cluster sees it now.
type Node struct {
	specs.Node
	Self    bool          `json:"self,omitempty"` // the node whose daemon was asked
	Manager ManagerStatus `json:"manager_status,omitempty"`
	Tasks   int           `json:"tasks"` // that run on it
}

// ListNodesReply lists all nodes by hostname.
type ListNodesReply struct {
	Nodes []Node `json:"nodes"`
}

// UpdateNodeRequest changes what is wanted of a node. What is empty stays.
type UpdateNodeRequest struct {
	Name         string             `json:"name"`
	Role         specs.Role         `json:"role,omitempty"`
	Availability specs.Availability `json:"availability,omitempty"`
	LabelAdd     map[string]string  `json:"label_add,omitempty"` // also replaces
	LabelRemove  []string           `json:"label_rm,omitempty"`
}

// UpdateNodeReply is the node after the change.
type UpdateNodeReply struct {
	Node    Node `json:"node"`
	Changed bool `json:"changed"` // false: it was so before
}

// RemoveNodeRequest forgets a node.
type RemoveNodeRequest struct {
	Name  string `json:"name"`
	Force bool   `json:"force,omitempty"` // though it may be up
}

// DrainReply says how far a drained node is.
type DrainReply struct {
	Node    string        `json:"node"`              // hostname
	Total   int           `json:"total"`             // tasks since the watch began
	Left    []string      `json:"left,omitempty"`    // that have not ended yet
	Waiting []TaskTrouble `json:"waiting,omitempty"` // that have ended here and have no other node yet
	Global  bool          `json:"global,omitempty"`  // some are of global services: they stop and go nowhere
	Down    bool          `json:"down,omitempty"`    // the node is not heard of: only what is wanted counts
	Empty   bool          `json:"empty,omitempty"`   // the last reply: nothing is left
}

// ListServicesRequest narrows a list to one stack, if it is named.
type ListServicesRequest struct {
	Stack string `json:"stack,omitempty"`
}

// Service is one service with its counts.
type Service struct {
	specs.Service
	Running int            `json:"running"`
	Wanted  int            `json:"wanted"`
	Task    specs.TaskSpec `json:"task_spec"` // the target's; secrets in it are shown as keyed hashes
}

// ListServicesReply lists services by name.
type ListServicesReply struct {
	Services []Service `json:"services"`
}

// ListTasksRequest narrows a list of tasks. Empty fields do not narrow.
type ListTasksRequest struct {
	Service string   `json:"service,omitempty"`
	Stack   string   `json:"stack,omitempty"`
	Nodes   []string `json:"nodes,omitempty"` // on any of them
}

// Task is one task with what its row refers to.
type Task struct {
	specs.Task
	Name     string      `json:"name"`  // shop_web.1
	State    specs.State `json:"state"` // from whoever saw it last
	Image    string      `json:"image"`
	Hostname string      `json:"hostname,omitempty"` // of its node, in a global service also while it waits for room there
	// Ports are those of its node that it has for itself while it runs.
	Ports []specs.HostPort `json:"ports,omitempty"`
}

// ListTasksReply lists tasks by service, slot and age, the newest of a slot
// first.
type ListTasksReply struct {
	Tasks []Task `json:"tasks"`
}

// Stack is one stack with its counts.
type Stack struct {
	specs.StackRow
	Count StackCount `json:"count"`
}

// ListStacksReply lists stacks by name.
type ListStacksReply struct {
	Stacks []Stack `json:"stacks"`
}

// ListRevisionsRequest says how many revisions to list, newest first; 0 is all.
type ListRevisionsRequest struct {
	Limit int `json:"limit,omitempty"`
}

// ListRevisionsReply lists revisions, newest first.
type ListRevisionsReply struct {
	Revisions []Revision `json:"revisions"`
}

// PlanRequest asks what applying something would do. Exactly one of Tree and
// Rev is set.
type PlanRequest struct {
	Tree []byte `json:"tree,omitempty"` // a zip archive of a working tree
	Rev  string `json:"rev,omitempty"`  // a commit that the cluster's remote has, or A..B

	Source string `json:"source,omitempty"` // as a commit of this source; empty is the cluster's own remote

	AcceptPartial bool `json:"accept_partial,omitempty"`
	AllowRemoval  bool `json:"allow_removal,omitempty"`
}

// PlanReply is the plan.
type PlanReply struct {
	Plan planner.Plan `json:"plan"`
}

// WaitRequest waits for a revision to end: a commit or its beginning; empty is
// the newest revision.
type WaitRequest struct {
	Rev string `json:"rev,omitempty"`
}

// WaitReply is one line of progress, and with the last one the revision.
type WaitReply struct {
	Line     string    `json:"line,omitempty"`
	Revision *Revision `json:"revision,omitempty"`
}

// LogsRequest asks for the logs of a service, or of one task of it.
type LogsRequest struct {
	Service string    `json:"service"` // a service, or a task "shop_web.1"
	Follow  bool      `json:"follow,omitempty"`
	Tail    int       `json:"tail,omitempty"` // last lines of each task; negative is all
	Since   time.Time `json:"since,omitzero"`
}

// LogsReply carries lines in the order in which they arrived.
type LogsReply struct {
	Lines []LogLine `json:"lines,omitempty"`
	Err   string    `json:"err,omitempty"` // a log that could not be read, in words
}

// LogLine is a line with its task's name.
type LogLine struct {
	wire.LogLine
	Task string `json:"task"` // shop_web.1
	Node string `json:"node"` // hostname
}

// GitURLReply is the cluster's remote and a token for it.
type GitURLReply struct {
	URL   string `json:"url"`
	Token string `json:"token"` // for a credential helper: good for ten minutes
}
