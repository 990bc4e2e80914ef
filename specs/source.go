package specs

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// MainSource is the name of the cluster's own remote.
const MainSource = "main"

// Source is a repository and a branch that the cluster follows. The source
// "main" is the cluster's own remote, to which people push; any other is outside
// and is looked at by the manager that leads. Written by the api.
type Source struct {
	Name   string `json:"name"`
	Branch string `json:"branch"`

	Path string `json:"path,omitempty"` // the folder that holds the stacks; empty is the root

	// Of an outside one only.
	URL           string      `json:"url,omitempty"`      // without credentials
	Interval      Duration    `json:"interval,omitempty"` // between two looks; 0 is DefaultSourceInterval
	AcceptPartial bool        `json:"accept_partial,omitempty"`
	Suspended     bool        `json:"suspended,omitempty"` // it is not looked at
	Credential    *Credential `json:"credential,omitempty"`
	Webhook       Hidden      `json:"webhook,omitempty"` // key of the HMAC with which others may say: look now
	Added         time.Time   `json:"added,omitzero"`

	Version uint64 `json:"version"`
}

// Credential is what opens a repository. It lies readable in the managers' data,
// as the authority's keys do, and is in no answer, plan or log.
type Credential struct {
	User       string `json:"user,omitempty"`        // of basic authentication
	Secret     Hidden `json:"secret,omitempty"`      // its password, or a token
	SSHKey     Hidden `json:"ssh_key,omitempty"`     // PEM
	KnownHosts string `json:"known_hosts,omitempty"` // the keys that an SSH server may have, as OpenSSH writes them
}

const (
	// DefaultSourceInterval is how often an outside source is looked at.
	DefaultSourceInterval = time.Minute
	// MinSourceInterval keeps sources from burdening their servers.
	MinSourceInterval = 5 * time.Second
)

// Outside reports that the source is not the cluster's own remote.
func (s Source) Outside() bool { return s.Name != MainSource }

// Ref names the row that says at which commit of the source the cluster is.
func (s Source) Ref() string {
	if s.Outside() {
		return "refs/sources/" + s.Name
	}
	return "refs/heads/" + s.Branch
}

// Every is the time between two looks.
func (s Source) Every() time.Duration {
	if s.Interval == 0 {
		return DefaultSourceInterval
	}
	return time.Duration(s.Interval)
}

// CleanPath is a source's Path as a person gave it: slashes around it and dots count
// for nothing.
func CleanPath(given string) (string, error) {
	clean := path.Clean(strings.Trim(given, "/"))
	if clean == "." {
		return "", nil
	}
	if !fs.ValidPath(clean) {
		return "", fmt.Errorf("--path %s is not below the repository", given)
	}
	return clean, nil
}
