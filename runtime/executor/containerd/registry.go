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
)

// hostDirs are where this machine says how registries are reached: mirrors,
// certificates and plain HTTP, in a folder for each, in the form of containerd's
// hosts.toml or of Docker.
var hostDirs = []string{"/etc/containerd/certs.d", "/etc/docker/certs.d"}

// resolver finds registries as containerd and Docker do on this machine: as
// hostDirs say, else by HTTPS, or plain HTTP on loopback. It asks them with the
// credentials of the Docker configuration file.
func resolver(ctx context.Context) remotes.Resolver {
	return docker.NewResolver(docker.ResolverOptions{
		Hosts: hosts.ConfigureHosts(ctx, hosts.HostOptions{HostDir: hostDir, Credentials: dockerCredentials}),
	})
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

// Digest asks the registry of an image which content its name means now. It needs
// no containerd. Errors are sentences without the image's name.
func Digest(ctx context.Context, image string) (digest string, err error) {
	named, err := normal(image)
	if err != nil {
		return "", err
	}
	_, found, err := resolver(ctx).Resolve(quiet(ctx), named)
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
