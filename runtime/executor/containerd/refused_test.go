package containerd

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

func TestPullFailure(t *testing.T) {
	head := func(err error) error {
		return fmt.Errorf("failed to resolve reference %q: failed to do request: %w", "x",
			&url.Error{Op: "Head", URL: "https://registry/v2/", Err: err})
	}
	for name, c := range map[string]struct {
		ref  string
		err  error
		want string
	}{
		"no such host": {"demo/web:1.0", head(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "registry-1.docker.io", IsNotFound: true}}),
			`image demo/web:1.0: not on the node, and the registry registry-1.docker.io cannot be reached: load it there with "swarmgit image load", or correct the name`},
		"connection lost": {"registry.example/web:1", fmt.Errorf("copy: %w", &net.OpError{Op: "read", Err: errors.New("reset")}),
			`image registry.example/web:1: not on the node, and the registry registry.example cannot be reached: load it there with "swarmgit image load", or correct the name`},
		"certificate": {"registry.example/web:1", head(x509.UnknownAuthorityError{}),
			"image registry.example/web:1: not on the node, and the registry registry.example cannot be trusted: certificate signed by unknown authority"},
		"not HTTPS": {"registry.example/web:1", head(errors.New("http: server gave HTTP response to HTTPS client")),
			"image registry.example/web:1: not on the node, and the registry registry.example speaks no HTTPS"},
		"not found": {"registry.example/web:1.4.0", fmt.Errorf("registry.example/web:1.4.0: %w", errdefs.ErrNotFound),
			"image registry.example/web:1.4.0: no such image, neither on the node nor in its registry"},
		"authorization": {"shop/web", fmt.Errorf("pull access denied: %w: no basic auth credentials", docker.ErrInvalidAuthorization),
			"image shop/web: not on the node, and the registry registry-1.docker.io wants another login, or has no such image: see \"swarmgit registry login\""},
		"forbidden": {"registry.example/web:1", fmt.Errorf("x: %w", remoteerrors.ErrUnexpectedStatus{Status: "403 Forbidden", StatusCode: 403}),
			"image registry.example/web:1: not on the node, and the registry registry.example wants another login, or has no such image: see \"swarmgit registry login\""},
		"engine away": {"web", status.Error(codes.Unavailable, "transport: Error while dialing"), "containerd is away"},
		"disk full": {"web", status.Error(codes.Unknown, "write: no space left on device"),
			"image web: not on the node, and it cannot be pulled: write: no space left on device"},
	} {
		if got := pullFailure(t.Context(), c.ref, c.err); got.Error() != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func TestFailure(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	noEngine := status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing"`)
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want string
		is   error
	}{
		"engine away":      {t.Context(), noEngine, "containerd is away", executor.ErrTemporary},
		"away, told twice": {t.Context(), fmt.Errorf("open: %w", errAway), "containerd is away", executor.ErrTemporary},
		"our own context":  {ended, noEngine, "task: context canceled", context.Canceled},
		"the shim killed":  {t.Context(), status.Error(codes.Unknown, "ttrpc: closed: unknown"), "task: its container's shim was killed", nil},
		"busy":             {t.Context(), temporary("a cgroup is busy"), "task: a cgroup is busy", executor.ErrTemporary},
		"many causes":      {t.Context(), errors.Join(errors.New("a"), errors.New("b")), "task: a; b", nil},
	} {
		got := failure(c.ctx, "task", c.err)
		if got.Error() != c.want || c.is != nil && !errors.Is(got, c.is) || c.is == nil && errors.Is(got, executor.ErrTemporary) {
			t.Errorf("%s: got %q, want %q as %v", name, got, c.want, c.is)
		}
	}
	if got := failureNow(t.Context(), "list images", noEngine).Error(); !strings.HasPrefix(got, "list images: containerd is away: try again") {
		t.Errorf("to somebody who waits: %s", got)
	}
}
