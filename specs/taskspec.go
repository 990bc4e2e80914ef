package specs

import (
	"reflect"
	"strings"
)

// TaskSpec is what one task of a service is, and all that its node needs to run
// it. It is stored once under its hash (specs/encoding.HashTaskSpec).
//
// Every field is omitted when zero and is normalised before it is hashed: an
// empty list or map is nil, lists whose order means nothing are sorted, numbers
// are integers. A new field must be omitted when zero too, or every task in
// the world restarts at an upgrade; golden hashes guard that.
type TaskSpec struct {
	Runtime    string            `json:"runtime,omitempty"`
	Image      string            `json:"image,omitempty"`
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Command    []string          `json:"command,omitempty"`
	Env        []string          `json:"env,omitempty"` // K=V, sorted by K
	User       string            `json:"user,omitempty"`
	Groups     []string          `json:"groups,omitempty"`
	WorkingDir string            `json:"working_dir,omitempty"`
	Hostname   string            `json:"hostname,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`

	Mounts   []Mount   `json:"mounts,omitempty"`
	Secrets  []FileRef `json:"secrets,omitempty"` // sorted by target
	Configs  []FileRef `json:"configs,omitempty"` // sorted by target
	ReadOnly bool      `json:"read_only,omitempty"`
	CapAdd   []string  `json:"cap_add,omitempty"`
	CapDrop  []string  `json:"cap_drop,omitempty"`
	Init     bool      `json:"init,omitempty"`
	TTY      bool      `json:"tty,omitempty"`
	Stdin    bool      `json:"stdin_open,omitempty"`

	Sysctls     map[string]string `json:"sysctls,omitempty"`
	Ulimits     []Ulimit          `json:"ulimits,omitempty"` // sorted by name
	ExtraHosts  []string          `json:"extra_hosts,omitempty"`
	ShmSize     Bytes             `json:"shm_size,omitempty"`
	OOMScoreAdj int64             `json:"oom_score_adj,omitempty"`

	Healthcheck *Healthcheck `json:"healthcheck,omitempty"` // nil is the image's own

	HostPorts []HostPort `json:"host_ports,omitempty"` // sorted

	StopSignal string    `json:"stop_signal,omitempty"`
	StopGrace  *Duration `json:"stop_grace_period,omitempty"` // nil is DefaultStopGrace

	Limits       Limits    `json:"limits,omitzero"`
	Reservations Resources `json:"reservations,omitzero"`

	// Restarts counts the restarts that operators asked of the service. No stack
	// file has it: it makes the spec another one, whose rollout is the restart.
	Restarts uint64 `json:"restarts,omitempty"`
}

// RestartOf reports that an operator's restart made the spec of the old one: all
// that may differ besides is what the tag of its image meant.
func (t TaskSpec) RestartOf(old TaskSpec) bool {
	if t.Restarts == old.Restarts {
		return false
	}
	if tagged(t.Image) == tagged(old.Image) {
		old.Image = t.Image
	}
	old.Restarts = t.Restarts
	return reflect.DeepEqual(t, old)
}

// tagged is an image without the digest that was found for it.
func tagged(image string) string {
	name, _, _ := strings.Cut(image, "@")
	return name
}

// The runtimes of a task: what its program runs as.
const (
	RuntimeContainer = ""
	RuntimeProcess   = "process" // a plain process of the node, without an image
)

// Resources are amounts of a node that a task reserves or a node has.
type Resources struct {
	CPUs   NanoCPUs `json:"cpus,omitempty"`
	Memory Bytes    `json:"memory,omitempty"`
}

// Limits bound what a running task may use. Zero is unlimited.
type Limits struct {
	CPUs   NanoCPUs `json:"cpus,omitempty"`
	Memory Bytes    `json:"memory,omitempty"`
	Pids   int64    `json:"pids,omitempty"`
}

// MountType says where a mount's content comes from.
type MountType string

// The mount types that are built.
const (
	MountBind   MountType = "bind"
	MountVolume MountType = "volume"
	MountTmpfs  MountType = "tmpfs"
)

// Mount is one directory or file of the host, or of memory, in the task.
type Mount struct {
	Type        MountType `json:"type"`
	Source      string    `json:"source,omitempty"`
	Target      string    `json:"target"`
	ReadOnly    bool      `json:"read_only,omitempty"`
	Propagation string    `json:"propagation,omitempty"`      // bind: rprivate by default
	CreateHost  bool      `json:"create_host_path,omitempty"` // bind: make a missing source directory
	TmpfsSize   Bytes     `json:"tmpfs_size,omitempty"`
	TmpfsMode   uint32    `json:"tmpfs_mode,omitempty"`
	TmpfsOpts   []string  `json:"tmpfs_options,omitempty"`
}

// Ulimit is one resource limit of the task's processes.
type Ulimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}
