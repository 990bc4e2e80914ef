package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Procedures about logins for registries. A password is in no answer.
const (
	LoginRegistry  = wire.Unary[LoginRegistryRequest, Registry]("/swarmgit.api/LoginRegistry")
	ListRegistries = wire.Unary[Empty, ListRegistriesReply]("/swarmgit.api/ListRegistries")
	LogoutRegistry = wire.Unary[ByName, Registry]("/swarmgit.api/LogoutRegistry")
)

// LoginRegistryRequest is a login that the cluster is to keep, in the place of the
// one before. It is kept only if the registry takes it.
type LoginRegistryRequest struct {
	Host string `json:"host"` // also as Docker writes it: https://index.docker.io/v1/
	specs.Login
}

// Registry is a login without its password.
type Registry struct {
	Host    string    `json:"host"`
	User    string    `json:"user"`
	Created time.Time `json:"created"`
}

// ListRegistriesReply lists logins by host.
type ListRegistriesReply struct {
	Registries []Registry `json:"registries"`
}

// Registries tries logins.
type Registries interface {
	// TryLogin asks a registry whether the login opens it. Its error is for people.
	TryLogin(ctx context.Context, host string, login specs.Login) error
}

// loginPatience bounds how long a registry may take to say whether it knows a
// login.
const loginPatience = 20 * time.Second

// maxRegistries bounds the cluster's row, which every change of a setting rewrites.
const maxRegistries = 100

func (s *Server) loginRegistry(ctx context.Context, req LoginRegistryRequest) (Registry, error) {
	host, err := registryHost(req.Host)
	if err != nil {
		return Registry{}, err
	}
	if req.User == "" || req.Password == "" {
		return Registry{}, wire.Errorf(wire.InvalidArgument, "registry login %s: a user and a password are needed", host)
	}
	trying, cancel := context.WithTimeout(ctx, loginPatience)
	defer cancel()
	if err := s.Registries.TryLogin(trying, host, req.Login); err != nil {
		return Registry{}, wire.Errorf(wire.InvalidArgument, "registry login %s: %w; the login was not kept", host, err)
	}
	kept := specs.Registry{Host: host, User: req.User, Secret: s.Keys.Seal([]byte(req.Password)), Created: s.Now()}
	err = s.changeRegistries(ctx, func(list []specs.Registry) ([]specs.Registry, error) {
		list = append(slices.DeleteFunc(list, registryAt(host)), kept)
		if len(list) > maxRegistries {
			return nil, wire.Errorf(wire.Exhausted, "registry login %s: the cluster keeps %d logins, which is the most: swarmgit registry logout HOST", host, maxRegistries)
		}
		slices.SortFunc(list, func(a, b specs.Registry) int { return strings.Compare(a.Host, b.Host) })
		return list, nil
	})
	return registryView(kept), err
}

func (s *Server) listRegistries(context.Context, Empty) (ListRegistriesReply, error) {
	reply := ListRegistriesReply{Registries: []Registry{}}
	for _, r := range s.Cluster.Snapshot().Cluster().Registries {
		reply.Registries = append(reply.Registries, registryView(r))
	}
	return reply, nil
}

func (s *Server) logoutRegistry(ctx context.Context, req ByName) (removed Registry, err error) {
	host, err := registryHost(req.Name)
	if err != nil {
		return Registry{}, err
	}
	err = s.changeRegistries(ctx, func(list []specs.Registry) ([]specs.Registry, error) {
		i := slices.IndexFunc(list, registryAt(host))
		if i < 0 {
			return nil, wire.Errorf(wire.NotFound, "the cluster keeps no login for registry %s (see: swarmgit registry ls)", host)
		}
		removed = registryView(list[i])
		return slices.Delete(list, i, i+1), nil
	})
	return removed, err
}

// changeRegistries writes the logins that change makes of a copy of those that are
// there.
func (s *Server) changeRegistries(ctx context.Context, change func([]specs.Registry) ([]specs.Registry, error)) error {
	return s.changeCluster(ctx, func(cluster *specs.Cluster) (err error) {
		cluster.Registries, err = change(slices.Clone(cluster.Registries))
		return err
	})
}

func registryAt(host string) func(specs.Registry) bool {
	return func(r specs.Registry) bool { return r.Host == host }
}

func registryView(r specs.Registry) Registry { return Registry{r.Host, r.User, r.Created} }

// registryHost is the host of a registry as names of images begin.
func registryHost(text string) (string, error) {
	host := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(text), "https://"), "http://")
	for _, end := range []string{"/", "/v1", "/v2"} {
		host = strings.TrimSuffix(host, end)
	}
	if host == "registry-1.docker.io" {
		host = "docker.io"
	}
	named, err := reference.ParseNormalizedNamed(host + "/some/image")
	if err != nil || strings.Contains(host, "/") || reference.Path(named) != "some/image" {
		return "", wire.Errorf(wire.InvalidArgument, "registry %q: name it as images do, by its host: docker.io, registry.example:5000", text)
	}
	return reference.Domain(named), nil
}
