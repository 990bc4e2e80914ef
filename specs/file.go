package specs

import (
	"path"
	"regexp"
	"strconv"
	"time"
)

// FileKind says whether a file that tasks get is a secret or a config.
type FileKind string

// The kinds. They differ in where a task finds them by default, in their size,
// and in who may read them.
const (
	Secret FileKind = "secret"
	Config FileKind = "config"
)

// The largest contents in bytes, as in Swarm: a secret is smaller than its
// limit, a config may reach its own. Neither may be empty.
const (
	maxSecret = 500 << 10
	maxConfig = 1000 << 10
)

// WrongSize says why a file of that many bytes is none of its kind; it is empty
// if it may be one.
func (k FileKind) WrongSize(bytes int) string {
	switch {
	case bytes == 0:
		return "is empty: a " + string(k) + " holds at least one byte"
	case k == Secret && bytes >= maxSecret:
		return "is too large: a secret must be smaller than 500 KiB, this is " + strconv.Itoa(bytes) + " bytes"
	case k == Config && bytes > maxConfig:
		return "is too large: a config has at most 1000 KiB, this is " + strconv.Itoa(bytes) + " bytes"
	}
	return ""
}

var fileName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,62}[a-zA-Z0-9])?$`)

// WrongFileName says why a secret or a config cannot be called so in the cluster,
// as in Swarm; it is empty if it can.
func WrongFileName(name string) string {
	if !fileName.MatchString(name) {
		return "a name has at most 64 letters, digits, dots, - and _, and begins and ends with a letter or digit"
	}
	return ""
}

// Variable is the environment variable that tells a process the directory of its
// files of the kind. systemd calls the two so as well.
func (k FileKind) Variable() string {
	if k == Secret {
		return "CREDENTIALS_DIRECTORY"
	}
	return "CONFIGURATION_DIRECTORY"
}

// FileTarget is where a task of the spec finds a file that it calls by name, as
// FileRef.Target says it.
func (t TaskSpec) FileTarget(kind FileKind, name string) string {
	switch {
	case t.Runtime == RuntimeProcess, path.IsAbs(name):
		return path.Clean(name)
	case kind == Secret:
		return path.Join("/run/secrets", name)
	}
	return path.Join("/", name)
}

// FileRef is a secret or a config as a task gets it.
type FileRef struct {
	Name     string  `json:"name"`              // in the cluster: shop_tls
	Version  Hash    `json:"version,omitempty"` // of its content; empty in what schema yields
	Target   string  `json:"target"`            // absolute path in a container; of a process below the directory of its kind
	UID      *uint32 `json:"uid,omitempty"`     // nil is root's in a container, where 0 is written so too; of a process its own user's
	GID      *uint32 `json:"gid,omitempty"`     // likewise
	Mode     *uint32 `json:"mode,omitempty"`    // nil is DefaultFileMode
	Template string  `json:"template,omitempty"`
}

// DefaultFileMode is that of a secret or a config whose reference is silent.
const DefaultFileMode = 0o444

// Permissions is Mode with its default.
func (r FileRef) Permissions() uint32 {
	if r.Mode == nil {
		return DefaultFileMode
	}
	return *r.Mode
}

// TemplateGolang is the one value of Template that is known: the content is a
// template, which each task's node expands.
const TemplateGolang = "golang"

// Payload is one version of a secret or a config. It is stored under its Version
// as long as a task spec or an External names it.
type Payload struct {
	Version Hash     `json:"version"` // of a config its SHA-256; of a secret a keyed hash, which tells nothing
	Kind    FileKind `json:"kind"`
	Data    []byte   `json:"data"` // of a secret it is sealed under the cluster's key
}

// External is a secret or a config that somebody created in the cluster, for
// stacks that call it external. It never changes. Written by the api.
type External struct {
	ID       string            `json:"id"` // ExternalID
	Kind     FileKind          `json:"kind"`
	Name     string            `json:"name"`
	Payload  Hash              `json:"payload"`
	Template string            `json:"template,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Created  time.Time         `json:"created"`
	Version  uint64            `json:"version"`
}

// ExternalID is the key of an External's row.
func ExternalID(kind FileKind, name string) string { return string(kind) + "/" + name }

// StackFile is a secret or a config that a stack's services refer to, as its
// files define it.
type StackFile struct {
	Kind      FileKind
	Key       string // in the stack file: tls
	Name      string // in the cluster: shop_tls
	Template  string
	External  bool   // it is in the cluster already; the rest is empty
	File      string // in the repository
	Data      []byte
	Encrypted bool // by age, for the cluster's key
}

// FileRefs yields the task's secrets, then its configs.
func (t TaskSpec) FileRefs(yield func(FileKind, FileRef) bool) {
	for _, ref := range t.Secrets {
		if !yield(Secret, ref) {
			return
		}
	}
	for _, ref := range t.Configs {
		if !yield(Config, ref) {
			return
		}
	}
}
