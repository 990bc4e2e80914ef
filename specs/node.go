package specs

import (
	"cmp"
	"time"
)

// Role is what a node is in the cluster.
type Role string

// The roles of a node. A manager is a worker too unless it is drained.
const (
	Manager Role = "manager"
	Worker  Role = "worker"
)

// Availability is what the operator allows a node to do.
type Availability string

// The availabilities. The empty one is active.
const (
	Active Availability = "active"
	Pause  Availability = "pause" // keeps its tasks, gets none
	Drain  Availability = "drain" // loses its tasks, gets none
)

// NodeStatus is whether a node is heard of.
type NodeStatus string

// The statuses of a node. Only ready and down are stored; a node not heard of
// since the leader took office reads as unknown and its tasks are untouched.
const (
	NodeUnknown NodeStatus = "unknown"
	NodeReady   NodeStatus = "ready"
	NodeDown    NodeStatus = "down"
)

// Node is one machine of the cluster.
type Node struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`

	// Spec is written by the api.
	Spec        NodeSpec `json:"spec,omitzero"`
	SpecVersion uint64   `json:"spec_version"`

	// Seen is written by the dispatcher.
	Seen        NodeSeen `json:"seen,omitzero"`
	SeenVersion uint64   `json:"seen_version,omitempty"`
}

// NodeSpec is what the operator wants of a node.
type NodeSpec struct {
	Role         Role              `json:"role"`
	Availability Availability      `json:"availability,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"` // node.labels.*
}

// NodeSeen is what is known of a node by its session.
type NodeSeen struct {
	Status      NodeStatus      `json:"status,omitempty"`
	Since       time.Time       `json:"since,omitzero"`
	Addr        string          `json:"addr,omitempty"` // IP address
	Description NodeDescription `json:"description,omitzero"`
	Certificate NodeCertificate `json:"certificate,omitzero"` // that it showed when its session opened
}

// NodeCertificate is what the managers need to know of a node's certificate.
type NodeCertificate struct {
	Role     Role      `json:"role"`
	Issuer   Hash      `json:"issuer"` // SHA-256 of the certificate that it was signed with, see Authority.Issuer
	NotAfter time.Time `json:"not_after"`
}

// NodeDescription is what a node says of itself when its session opens.
type NodeDescription struct {
	Hostname     string            `json:"hostname"`
	OS           string            `json:"os"`   // GOOS
	Arch         string            `json:"arch"` // GOARCH
	Resources    Resources         `json:"resources"`
	Engine       string            `json:"engine"`                  // "containerd 1.6.20"
	EngineLabels map[string]string `json:"engine_labels,omitempty"` // engine.labels.*
	Runtimes     []string          `json:"runtimes,omitempty"`      // task runtimes, "" is a container
	Format       int               `json:"format,omitempty"`        // newest of the managers' entries that its release reads; 0 is 1
}

// Name is what people call the node: its hostname, or its ID while it has told none.
func (n Node) Name() string { return cmp.Or(n.Seen.Description.Hostname, n.ID) }

// CanTakeTasks reports whether new tasks may be assigned to the node.
func (n Node) CanTakeTasks() bool { return n.Seen.Status == NodeReady && n.Active() }

// Active reports that the operator lets the node have new tasks.
func (n Node) Active() bool { return n.Spec.Availability == "" || n.Spec.Availability == Active }
