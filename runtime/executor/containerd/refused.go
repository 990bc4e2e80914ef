package containerd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/distribution/reference"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// pullFailure says why an image that is not here cannot be had, and what to do. It is
// read on other machines, beside the name of the task's node.
func pullFailure(ctx context.Context, ref string, err error) error {
	if ctx.Err() != nil || away(err) || errors.Is(err, executor.ErrTemporary) {
		return failure(ctx, "pull image "+ref, err)
	}
	if gone(err) {
		return fmt.Errorf("image %s: no such image, neither on the node nor in its registry", ref)
	}
	words, away := refusal(ref, err)
	switch {
	case words == "":
		return failure(ctx, fmt.Sprintf("image %s: not on the node, and it cannot be pulled", ref), err)
	case away:
		words += `: load it there with "swarmgit image load", or correct the name`
	}
	return fmt.Errorf("image %s: not on the node, and %s", ref, words)
}

// refusal says why a registry gives no image, "" if it is not the registry, and
// whether it is away.
func refusal(ref string, err error) (words string, away bool) {
	var request *url.Error
	var connection net.Error
	var mute silence
	registry := "the registry " + registryOf(ref)
	switch {
	case unauthorized(err):
		return registry + " wants another login, or has no such image: see \"swarmgit registry login\"", false
	case errors.As(err, &request) && strings.Contains(err.Error(), "gave HTTP response to HTTPS client"):
		return registry + " speaks no HTTPS", false
	case request != nil && strings.Contains(err.Error(), "x509: "):
		_, why, _ := strings.Cut(err.Error(), "x509: ")
		return registry + " cannot be trusted: " + why, false
	case errors.As(err, &mute):
		return registry + " has said nothing for " + specs.Duration(mute).String(), true
	case request != nil, errors.As(err, &connection):
		return registry + " cannot be reached", true
	}
	return "", false
}

// unauthorized reports that a registry wants to know who asks.
func unauthorized(err error) bool {
	var status remoteerrors.ErrUnexpectedStatus
	return errors.Is(err, docker.ErrInvalidAuthorization) || errors.As(err, &status) &&
		(status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden)
}

// registryOf is the host that an image is asked from.
func registryOf(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "of " + ref
	}
	domain := reference.Domain(named)
	if host, err := docker.DefaultHost(domain); err == nil {
		return host
	}
	return domain
}
