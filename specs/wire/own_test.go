package wire_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// TestOwnConnections asks many times at once. Each request has a connection of its
// own, which ends with the answer.
func TestOwnConnections(t *testing.T) {
	const callers = 16
	var all sync.WaitGroup
	all.Add(callers)
	var mu sync.Mutex
	asked := map[string]int{} // by connection
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var served sync.WaitGroup
	served.Go(func() {
		err := wire.Serve(ctx, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked[r.RemoteAddr]++
			mu.Unlock()
			all.Done()
			all.Wait() // until all have come
		}))
		if err != nil {
			t.Error(err)
		}
	})
	defer served.Wait()
	defer stop()

	var conns []*closing
	by := wire.OwnConnections(func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		c := &closing{Conn: conn, closed: make(chan struct{})}
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
		return c, err
	})
	var calls sync.WaitGroup
	for range callers {
		calls.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://leader/", strings.NewReader("x"))
			if err != nil {
				t.Error(err)
				return
			}
			reply, err := by.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			if err := reply.Body.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if len(asked) != callers || len(conns) != callers {
		t.Errorf("%d requests went over %d connections of %d", callers, len(asked), len(conns))
	}
	for _, c := range conns {
		<-c.closed
	}
}

// closing tells when it is closed.
type closing struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
