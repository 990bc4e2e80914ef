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
)

// pullFailure says why an image that is not here cannot be had, and what to do.
func pullFailure(ctx context.Context, ref string, err error) error {
	var request *url.Error
	var connection net.Error
	switch {
	case ctx.Err() != nil || away(err):
		return failure(ctx, "pull image "+ref, err)
	case unauthorized(err):
		return fmt.Errorf("image %s: not on this node, and the registry %s refuses without credentials, or has no such image", ref, registryOf(ref))
	case gone(err):
		return fmt.Errorf("image %s: no such image, neither on this node nor in its registry", ref)
	case errors.As(err, &request) && strings.Contains(err.Error(), "gave HTTP response to HTTPS client"):
		return fmt.Errorf("image %s: not on this node, and the registry %s speaks no HTTPS", ref, registryOf(ref))
	case request != nil && strings.Contains(err.Error(), "x509: "):
		_, why, _ := strings.Cut(err.Error(), "x509: ")
		return fmt.Errorf("image %s: not on this node, and the registry %s cannot be trusted: %s", ref, registryOf(ref), why)
	case request != nil, errors.As(err, &connection):
		return fmt.Errorf("image %s: not on this node, and the registry %s cannot be reached: "+
			"load it with \"swarmgit image load\", or correct the name", ref, registryOf(ref))
	}
	return failure(ctx, fmt.Sprintf("image %s: not on this node, and it cannot be pulled", ref), err)
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
