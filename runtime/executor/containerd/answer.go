package containerd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/containers"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// answerLimit is how long containerd may take for what usually takes it a moment.
const answerLimit = 30 * time.Second

// lasting are the calls that have no limit: they end with the task, or move what an
// image holds, or clear up after others.
var lasting = []string{
	"/containerd.services.tasks.v1.Tasks/Wait",
	"/containerd.services.diff.v1.Diff/",
	"/containerd.services.snapshots.v1.Snapshots/",
	"/containerd.services.images.v1.Images/Delete",
	"/containerd.services.leases.v1.Leases/Delete",
	"/containerd.services.content.v1.Content/Delete",
}

// errSilent is for an engine that is there and gives no answer: it hangs, or what it
// waits for does, a shim or runc.
var errSilent = temporary(fmt.Sprintf("containerd has not answered for %s: it hangs, or one of its shims, or the machine is too busy", answerLimit))

// limited gives up a call of containerd after e.answerLimit, unless it is a lasting
// one: containerd is then as good as away, and what was to be done is tried again. It
// may have been done all the same.
func (e *Engine) limited(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	for _, prefix := range lasting {
		if strings.HasPrefix(method, prefix) {
			return call(ctx, method, request, reply, conn, options...)
		}
	}
	return e.patiently(ctx, func(ctx context.Context) error { return call(ctx, method, request, reply, conn, options...) })
}

// patiently gives up a call after e.answerLimit.
func (e *Engine) patiently(ctx context.Context, call func(context.Context) error) error {
	// Not a deadline: containerd would be told of it, and say in other words that it
	// has passed.
	patience, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(e.answerLimit, func() { cancel(errSilent) }).Stop()
	err := call(patience)
	if err != nil && context.Cause(patience) == errSilent {
		return status.Error(codes.Unavailable, errSilent.Error())
	}
	return err
}

// records are the records of the containers that pass one of the filters. They come
// as a stream, which limited does not see.
func (e *Engine) records(ctx context.Context, filters ...string) (found []containers.Container, err error) {
	err = e.patiently(ctx, func(ctx context.Context) (err error) {
		found, err = e.client.ContainerService().List(ctx, filters...)
		return err
	})
	return found, err
}

// silent reports that a call was given up, which only the words tell of what came
// through containerd's client.
func silent(err error) bool {
	return errors.Is(err, errSilent) || away(err) && strings.Contains(err.Error(), errSilent.Error())
}
