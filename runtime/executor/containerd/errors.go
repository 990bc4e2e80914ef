package containerd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"

	"google.golang.org/grpc/status"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// failure is err as people and the agent want it: what was tried, the cause
// without the engine's noise, ErrTemporary when the engine is away, and the
// context's own error when that has ended.
func failure(ctx context.Context, tried string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", tried, ctx.Err())
	case errors.Is(err, executor.ErrTemporary), errors.Is(err, executor.ErrNotFound):
		return fmt.Errorf("%s: %w", tried, err)
	case away(err):
		return fmt.Errorf("%s: containerd is away: %s: %w", tried, clean(err), executor.ErrTemporary)
	}
	return fmt.Errorf("%s: %s", tried, clean(err))
}

// noise is what containerd and runc say around the one thing that people need.
var noise = []string{
	"failed to create shim task: ",
	"failed to create task for container: ",
	"OCI runtime create failed: ",
	"OCI runtime start failed: ",
	"runc create failed: ",
	"runc start failed: ",
	"unable to start container process: ",
	"error during container init: ",
}

// clean strips the noise from an engine's error.
func clean(err error) string {
	text := err.Error()
	if s, ok := status.FromError(err); ok {
		text = s.Message()
	}
	for _, part := range noise {
		text = strings.ReplaceAll(text, part, "")
	}
	for _, class := range []string{": unknown", ": not found", ": unavailable"} {
		text = strings.TrimSuffix(text, class)
	}
	text = strings.ReplaceAll(text, "executable file not found in $PATH", "executable file not found in the image")
	if name, ok := strings.CutSuffix(text, ": no such file or directory"); ok && strings.HasPrefix(name, "exec: ") {
		text = strings.Replace(name, ": stat", ":", 1) + ": executable file not found in the image"
		name, _, _ = strings.Cut(text, `": `)
		text = name + `": executable file not found in the image`
	}
	return text
}

// gone reports that the engine does not know what it was asked about.
func gone(err error) bool {
	return errdefs.IsNotFound(err) || errdefs.IsNotFound(errgrpc.ToNative(err))
}

// exists reports that what was to be made is there already.
func exists(err error) bool {
	return errdefs.IsAlreadyExists(err) || errdefs.IsAlreadyExists(errgrpc.ToNative(err))
}

// away reports that the engine does not answer.
func away(err error) bool {
	return errdefs.IsUnavailable(err) || errdefs.IsUnavailable(errgrpc.ToNative(err))
}
