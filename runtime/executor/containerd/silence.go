package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// registrySilence is how long a registry may say nothing in the middle of an answer, as
// for Kubernetes' containerd; until one begins, the transport is patient for less. Who
// waits for it has one of the few places of the tasks that are prepared on this node.
const registrySilence = 5 * time.Minute

// silence is why a registry is not listened to any more: it has said nothing for so
// long.
type silence time.Duration

func (s silence) Error() string { return fmt.Sprintf("nothing came for %s", specs.Duration(s)) }

// impatient gives up answers that do not go on.
type impatient struct{ http.RoundTripper }

// beImpatient is a hosts.UpdateClientFunc, and may be called again.
func beImpatient(client *http.Client) error {
	if _, already := client.Transport.(impatient); !already {
		client.Transport = impatient{client.Transport}
	}
	return nil
}

func (i impatient) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, giveUp := context.WithCancelCause(r.Context())
	reply, err := i.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		giveUp(nil)
		return nil, err
	}
	reply.Body = &listened{reply.Body, ctx, giveUp}
	return reply, nil
}

// listened is an answer that has to go on while somebody reads it.
type listened struct {
	io.ReadCloser
	ctx    context.Context // the request's
	giveUp context.CancelCauseFunc
}

func (l *listened) Read(p []byte) (int, error) {
	defer time.AfterFunc(registrySilence, func() { l.giveUp(silence(registrySilence)) }).Stop()
	n, err := l.ReadCloser.Read(p)
	if cause := context.Cause(l.ctx); err != nil && errors.As(cause, new(silence)) {
		err = cause
	}
	return n, err
}

func (l *listened) Close() error {
	l.giveUp(nil)
	return l.ReadCloser.Close()
}
