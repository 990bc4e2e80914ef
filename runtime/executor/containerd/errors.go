package containerd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"

	"google.golang.org/grpc/status"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// temporary is an ErrTemporary in words of its own.
type temporary string

func (t temporary) Error() string        { return string(t) }
func (t temporary) Is(target error) bool { return target == executor.ErrTemporary }

// errAway says all there is to say when the engine does not answer: what was
// tried then does not matter.
const errAway = temporary("containerd is away")

// errMute says that the process between containerd and a container does not answer
// in the time that containerd gives it: it hangs, or the machine is too busy.
const errMute = temporary("its container's shim does not answer")

// failure is err as people and the agent want it: what was tried, the cause
// without the engine's noise, ErrTemporary when the engine is away, and the
// context's own error when that has ended.
func failure(ctx context.Context, tried string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", tried, ctx.Err())
	case silent(err):
		return errSilent
	case errors.Is(err, errAway), away(err):
		return errAway
	case errors.Is(err, executor.ErrTemporary), errors.Is(err, executor.ErrNotFound):
		return fmt.Errorf("%s: %w", tried, err)
	case shimKilled(err):
		return fmt.Errorf("%s: %w", tried, errShimKilled)
	}
	return fmt.Errorf("%s: %s", tried, clean(err))
}

// failed is failure of what may have succeeded.
func failed(ctx context.Context, tried string, err error) error {
	if err == nil {
		return nil
	}
	return failure(ctx, tried, err)
}

// failureNow is failure for somebody who waits for the answer and is the one to
// try again.
func failureNow(ctx context.Context, tried string, err error) error {
	err = failure(ctx, tried, err)
	if errors.Is(err, errAway) {
		return fmt.Errorf("%s: %w: try again in a moment (a private one is started again by the daemon)", tried, errAway)
	}
	return err
}

// noise is what containerd and runc say around the one thing that people need.
var noise = []string{
	"failed to create shim task: ",
	"failed to create task for container: ",
	"OCI runtime create failed: ",
	"OCI runtime start failed: ",
	"OCI runtime exec failed: ",
	"runc create failed: ",
	"exec failed: ",
	"runc start failed: ",
	"unable to start container process: ",
	"error during container init: ",
	"failed to extract layer: ",
	"failed to do request: ",
}

// errShimKilled says that the process between containerd and a container has
// died; containerd then kills the container, and soon knows no process any more.
var errShimKilled = errors.New("its container's shim was killed")

// shimKilled reports that containerd says so, in the only way it has.
func shimKilled(err error) bool {
	return errors.Is(err, errShimKilled) || err != nil && strings.HasSuffix(strings.TrimSuffix(err.Error(), ": unknown"), "ttrpc: closed")
}

// clean strips the noise from an engine's error.
func clean(err error) string {
	text := err.Error()
	if s, ok := status.FromError(err); ok {
		text = s.Message()
	}
	text = strings.ReplaceAll(text, "\n", "; ")
	for _, part := range noise {
		text = strings.ReplaceAll(text, part, "")
	}
	for _, class := range []string{": unknown", ": not found", ": unavailable"} {
		text = strings.TrimSuffix(text, class)
	}
	if rest, ok := strings.CutPrefix(text, "chdir to cwd ("); ok {
		text = "working directory " + strings.Replace(rest, ") set in config.json failed", "", 1)
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

// late reports that containerd has waited for a shim in vain.
func late(err error) bool {
	return errdefs.IsDeadlineExceeded(err) || errdefs.IsDeadlineExceeded(errgrpc.ToNative(err))
}

// full reports that a disk of this node has no room, which only the words tell of
// an engine's.
func full(err error) bool {
	return strings.Contains(err.Error(), syscall.ENOSPC.Error()) || strings.Contains(err.Error(), syscall.EDQUOT.Error())
}

// untilRoom makes an error temporary if it is only that a disk is full.
func untilRoom(err error) error {
	if err != nil && full(err) {
		return temporary(err.Error())
	}
	return err
}

// away reports that the engine does not answer.
func away(err error) bool {
	return errdefs.IsUnavailable(err) || errdefs.IsUnavailable(errgrpc.ToNative(err))
}
