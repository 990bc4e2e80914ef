package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// lame answers calls as a leader that loses its office while it does: the first one
// as first says, any other well.
func lame(first func(ctx context.Context)) (h http.Handler, calls *atomic.Int32) {
	calls = new(atomic.Int32)
	mux := http.NewServeMux()
	UpdateNode.Serve(mux, func(ctx context.Context, req UpdateNodeRequest) (UpdateNodeReply, error) {
		if calls.Add(1) > 1 {
			return UpdateNodeReply{Changed: req.Name == "n2"}, nil
		}
		first(ctx)
		return UpdateNodeReply{}, wire.Errorf(wire.NotLeader, "lame")
	})
	return mux, calls
}

// A call that found the office lost before it wrote anything is made again, where
// the next one leads. One that may have written something never is.
func TestACallIsMadeAgainOnlyIfItWasNotBegun(t *testing.T) {
	for name, test := range map[string]struct {
		first func(context.Context)
		calls int32
	}{
		"nothing was written":                   {Refused, 2},
		"nothing of it is known":                {Begun, 1},
		"it has failed before it writes":        {func(context.Context) {}, 1},
		"something was written, but not all":    {func(ctx context.Context) { Begun(ctx); Refused(ctx) }, 1},
		"what was not written at first, is now": {func(ctx context.Context) { Refused(ctx); Begun(ctx) }, 1},
	} {
		check := func(t *testing.T, client *wire.Client, calls *atomic.Int32) {
			reply, err := UpdateNode.Call(t.Context(), client, UpdateNodeRequest{Name: "n2"})
			if test.calls == 1 {
				wantKind(t, err, wire.NotLeader, "lame")
			} else if err != nil || !reply.Changed {
				t.Errorf("got %+v, %v", reply, err)
			}
			if n := calls.Load(); n != test.calls {
				t.Errorf("%d calls, want %d", n, test.calls)
			}
		}
		t.Run(name+", at another manager", func(t *testing.T) {
			p := newPair(t)
			h, calls := lame(test.first)
			p.leader.Handle("/", h)
			close(p.first)
			check(t, p.client(), calls)
		})
		t.Run(name+", here", func(t *testing.T) {
			h, calls := lame(test.first)
			p := &pair{t: t}
			p.addr, _ = p.serve(Forward(h, func() (Leader, bool) {
				return Leader{NodeID: id("n1"), Succeeded: func(context.Context) {}}, true
			}))
			check(t, p.client(), calls)
		})
	}
}

// What is too large to be kept is not sent by halves.
func TestAPushIsSentToTheNextLeaderIfItIsKept(t *testing.T) {
	for size, want := range map[int]string{
		maxKept:     fmt.Sprint(maxKept),
		maxKept + 1: string(lastPacket("\nswarmgit: " + noLeader + "\n")),
	} {
		next := http.NewServeMux()
		next.HandleFunc("/git/", func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, n)
		})
		left := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // it went out before the answer came
			w.Header().Set(notBegunHeader, "true")
		})
		p := &pair{t: t}
		var leads atomic.Value // the port of who does
		from, _ := p.serve(left)
		nodes := http.NewServeMux()
		nodes.Handle(ForwardedPath+"/", Forwarded(next, func(context.Context) bool { return true }))
		to, _ := p.serve(nodes)
		names := map[string]string{from: id("n1"), to: id("n2")}
		leads.Store(from)
		p.addr, _ = p.serve(Forward(http.NotFoundHandler(), func() (Leader, bool) {
			at := leads.Load().(string)
			return Leader{
				NodeID: names[at],
				Dial:   func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", at) },
				Succeeded: func(ctx context.Context) {
					if _, bounded := ctx.Deadline(); bounded { // the request waits for it
						leads.Store(to)
						return
					}
					<-ctx.Done()
				},
			}, true
		}))
		_, text := p.post("/git/main.git/git-receive-pack", pushRequest, bytes.NewReader(make([]byte, size)))
		if text != strings.TrimSpace(want) {
			t.Errorf("a push of %d bytes: %q, want %q", size, text, want)
		}
	}
}
