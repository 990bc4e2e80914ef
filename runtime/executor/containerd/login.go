package containerd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/containerd/containerd/v2/core/remotes/docker"

	"github.com/swarmgit/swarmgit/specs"
)

// TryLogin asks a registry, by its host as names of images begin, whether it knows
// the login. A registry that asks nobody who he is takes any. Errors are sentences.
func TryLogin(ctx context.Context, host string, login specs.Login) error {
	image := host + "/any/image"
	name := registryOf(image)
	hosts, err := registries(ctx, func(string) (string, string, error) { return login.User, string(login.Password), nil })(host)
	if err != nil {
		return fmt.Errorf("read how the registry %s is reached: %w", name, err)
	}
	itself := slices.IndexFunc(hosts, func(h docker.RegistryHost) bool { return h.Host == name })
	if itself < 0 {
		return fmt.Errorf("the managers reach the registry %s by others only, as hosts.toml says: log in to those", name)
	}
	status, err := knock(quiet(ctx), hosts[itself])
	words, _ := refusal(image, err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the registry %s does not answer in time: check its name", name)
	case unauthorized(err), status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("the registry %s does not know the user %s with this password", name, login.User)
	case words != "":
		return errors.New(words + ": check its name, and what the managers' /etc/containerd/certs.d says of it")
	case err != nil:
		return fmt.Errorf("the registry %s: %s", name, clean(err))
	case status != http.StatusOK:
		return fmt.Errorf("the registry %s is none: it answers with status %d", name, status)
	}
	return nil
}

// knock opens the front door of a registry, with what it asks for, and returns the
// status.
func knock(ctx context.Context, registry docker.RegistryHost) (status int, err error) {
	door := registry.Scheme + "://" + registry.Host + registry.Path + "/"
	for asked := false; ; asked = true {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, door, nil)
		if err != nil {
			return 0, err
		}
		if err := registry.Authorizer.Authorize(ctx, request); err != nil {
			return 0, err
		}
		answer, err := registry.Client.Do(request)
		if err != nil {
			return 0, err
		}
		answer.Body.Close()
		if asked || answer.StatusCode != http.StatusUnauthorized {
			return answer.StatusCode, nil
		}
		if err := registry.Authorizer.AddResponses(ctx, []*http.Response{answer}); err != nil {
			return 0, err
		}
	}
}
