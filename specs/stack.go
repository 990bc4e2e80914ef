package specs

import (
	"cmp"
	"time"
)

// Stack is what one stack of a repository asks for.
type Stack struct {
	Name     string            `json:"name"`
	Services []ServiceSpec     `json:"services,omitempty"` // sorted by name
	Tasks    map[Hash]TaskSpec `json:"tasks,omitempty"`    // what the services refer to
	Files    []StackFile       `json:"-"`                  // that the services refer to, as the repository has them
	Payloads map[Hash]Payload  `json:"-"`                  // what the tasks refer to, once Files are resolved
	Origins  Origins           `json:"-"`
}

// StackRow is one stack in the cluster's memory. It belongs to the first source
// that defined it. Written by the planner; its source also by the api, when the
// stack is adopted or its source removed.
type StackRow struct {
	Name     string `json:"name"`
	Source   string `json:"source"`   // empty: its source was removed, and it belongs to whoever defines it next
	Revision string `json:"revision"` // the commit that last changed it
	Version  uint64 `json:"version"`
}

// Ref is a branch of the cluster's own remote, or where an outside source is.
// The row, not the repository on disk, is the truth. Written by git.
type Ref struct {
	Name    string `json:"name"`             // refs/heads/main, refs/sources/infra
	Commit  string `json:"commit"`           // 40 hex digits; empty before the first of an outside source
	Former  string `json:"former,omitempty"` // see Applied
	Version uint64 `json:"version"`
}

// Applied is the commit whose stacks the cluster has. Of an outside source that was
// changed, and nothing was taken since, Commit is empty, and it is the former one.
func (r Ref) Applied() string { return cmp.Or(r.Commit, r.Former) }

// RevisionState is how far a revision has got.
type RevisionState string

// The states of a revision. Healthy to Superseded are ends; a healthy revision
// that loses tasks later stays healthy and reads as degraded.
const (
	RevisionRefused    RevisionState = "refused"
	RevisionAwaiting   RevisionState = "awaiting-approval"
	RevisionRollingOut RevisionState = "rolling-out"
	RevisionHealthy    RevisionState = "healthy"
	RevisionPaused     RevisionState = "paused"
	RevisionFailed     RevisionState = "failed"
	RevisionRolledBack RevisionState = "rolled-back"
	RevisionSuperseded RevisionState = "superseded"
)

// Ended reports that nothing is under way for the revision any more. A paused one
// that no other followed turns healthy if what it waited for comes all the same.
func (s RevisionState) Ended() bool {
	return s != RevisionRollingOut && s != RevisionAwaiting
}

// Revision is one commit of a source as the cluster saw it.
type Revision struct {
	// Written once by git, when the commit arrives.
	ID     string `json:"id"`     // sortable: a counter, then the commit
	Source string `json:"source"` // main
	Commit string `json:"commit"` // 40 hex digits
	// Rewritten: the commit does not descend from the one before, because the
	// history of an outside source was rewritten.
	Rewritten bool      `json:"rewritten,omitempty"`
	Author    string    `json:"author"`
	Subject   string    `json:"subject"` // first line of the message
	Created   time.Time `json:"created"`
	Stacks    int       `json:"stacks"`             // in the commit
	Changed   []string  `json:"changed,omitempty"`  // stacks whose services changed
	Problems  []Problem `json:"problems,omitempty"` // of a refused one
	Warnings  []Problem `json:"warnings,omitempty"`

	// Progress is written by converge, after git wrote its first value.
	Progress        RevisionProgress `json:"progress"`
	ProgressVersion uint64           `json:"progress_version"`
}

// RevisionProgress is how a revision's rollout stands.
type RevisionProgress struct {
	State  RevisionState `json:"state"`
	Since  time.Time     `json:"since,omitzero"`
	Reason string        `json:"reason,omitempty"` // why it paused or failed
}

// Cluster is the cluster's own row. Written by the api.
type Cluster struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Key     []byte    `json:"key"`               // 32 random bytes: keys the hashes under which secret values are shown, and seals secrets
	AgeKey  []byte    `json:"age_key,omitempty"` // sealed under Key: opens what is encrypted for the cluster
	Created time.Time `json:"created"`

	Registries []Registry `json:"registries,omitempty"` // logins, by host

	Spec    ClusterSettings `json:"spec,omitzero"`
	Version uint64          `json:"version"`
}

// DefaultOrphanAfter is how long a node may be down before its tasks are given
// up, as in Swarm.
const DefaultOrphanAfter = 24 * time.Hour

// DefaultPackLimit is the largest push where the operator chose nothing.
const DefaultPackLimit Bytes = 32 << 20

// ClusterSettings are the operator's choices for the whole cluster.
type ClusterSettings struct {
	History         *int          `json:"history,omitempty"`          // ended tasks kept per slot; nil is DefaultHistory, negative keeps all
	HeartbeatPeriod Duration      `json:"heartbeat_period,omitempty"` // 0 is DefaultHeartbeat
	OrphanAfter     Duration      `json:"orphan_after,omitempty"`     // how long a node may be down before its tasks are given up; 0 is DefaultOrphanAfter
	PackLimit       Bytes         `json:"pack_limit,omitempty"`       // largest push; 0 is DefaultPackLimit
	Tokens          []AccessToken `json:"tokens,omitempty"`           // lasting ones, oldest first
}

// Heartbeat is how often a node says that it lives.
func (s ClusterSettings) Heartbeat() time.Duration {
	return cmp.Or(time.Duration(s.HeartbeatPeriod), DefaultHeartbeat)
}
