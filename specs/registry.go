package specs

import (
	"slices"
	"time"
)

// Login opens a registry. The zero Login is none.
type Login struct {
	User     string `json:"user,omitempty"`
	Password Hidden `json:"password,omitempty"` // or a token in its place
}

// Registry is the login that the cluster keeps for a registry. Written by the api.
type Registry struct {
	Host    string    `json:"host"` // as the names of images begin: docker.io, registry.example:5000
	User    string    `json:"user"`
	Secret  []byte    `json:"secret"` // the password, sealed under the cluster's key
	Created time.Time `json:"created"`
}

// Registry returns what the cluster keeps for the registry of that host.
func (c Cluster) Registry(host string) (Registry, bool) {
	i := slices.IndexFunc(c.Registries, func(r Registry) bool { return r.Host == host })
	if i < 0 {
		return Registry{}, false
	}
	return c.Registries[i], true
}
