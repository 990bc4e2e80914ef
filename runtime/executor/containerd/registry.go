package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	hosts "github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/swarmgit/swarmgit/specs"
)

// hostDirs are where this machine says how registries are reached: mirrors,
// certificates and plain HTTP, in a folder for each, in the form of containerd's
// hosts.toml or of Docker.
var hostDirs = []string{"/etc/containerd/certs.d", "/etc/docker/certs.d"}

// resolver finds registries as containerd and Docker do on this machine, and asks
// them with these credentials.
func resolver(ctx context.Context, c credentials) remotes.Resolver {
	return docker.NewResolver(docker.ResolverOptions{Hosts: registries(ctx, c)})
}

// registries are reached as hostDirs say, else by HTTPS, or plain HTTP on loopback.
func registries(ctx context.Context, c credentials) docker.RegistryHosts {
	return hosts.ConfigureHosts(quiet(ctx), hosts.HostOptions{HostDir: hostDir, Credentials: c, UpdateClient: beImpatient})
}

// credentials are a user and a password, or a token without a user, for a host that
// wants to know who asks; all empty if there are none.
type credentials func(host string) (user, secret string, err error)

// credentialsFor are those for an image: of its own registry what login yields, if
// that is something; of that and of mirrors what this machine has.
func credentialsFor(ctx context.Context, image string, login func(context.Context) (specs.Login, error)) credentials {
	return func(host string) (user, secret string, err error) {
		if login != nil && host == registryOf(image) {
			found, err := login(ctx)
			if err != nil || found != (specs.Login{}) {
				return found.User, string(found.Password), err
			}
		}
		return dockerCredentials(host)
	}
}

// hostDir is the folder that this machine has for a registry.
func hostDir(host string) (string, error) {
	for _, root := range hostDirs {
		dir, err := hosts.HostDirFromRoot(root)(host)
		if err == nil || !errdefs.IsNotFound(err) && !errors.Is(err, os.ErrNotExist) {
			return dir, err
		}
	}
	return "", errdefs.ErrNotFound
}

// dockerCredentials are what "docker login" left for a registry on this machine:
// a user and a password, or a token without a user.
func dockerCredentials(host string) (user, secret string, err error) {
	if host == "registry-1.docker.io" {
		host = name.DefaultRegistry
	}
	registry, err := name.NewRegistry(host)
	if err != nil {
		return "", "", nil // no name under which anybody could have logged in
	}
	var auth *authn.AuthConfig
	found, err := authn.DefaultKeychain.Resolve(registry)
	if err == nil {
		auth, err = found.Authorization()
	}
	switch {
	case err != nil:
		return "", "", fmt.Errorf("read the credentials for %s in the Docker configuration of this machine: %w", host, err)
	case auth.IdentityToken != "":
		return "", auth.IdentityToken, nil
	}
	return auth.Username, auth.Password, nil
}

// Digest asks the registry of an image which content its name means now, with the
// login unless that is none. It needs no containerd. Errors are sentences without
// the image's name.
func Digest(ctx context.Context, image string, login specs.Login) (digest string, err error) {
	named, err := normal(image)
	if err != nil {
		return "", err
	}
	known := func(context.Context) (specs.Login, error) { return login, nil }
	_, found, err := resolver(ctx, credentialsFor(ctx, image, known)).Resolve(quiet(ctx), named)
	if err == nil {
		return found.Digest.String(), nil
	}
	words, _ := refusal(image, err)
	switch {
	case ctx.Err() != nil:
		words = "the registry " + registryOf(image) + " does not answer in time"
	case gone(err):
		words = "the registry " + registryOf(image) + " has no such image"
	case words == "":
		words = clean(err)
	}
	return "", errors.New(words)
}
