package wire_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// links serves links on l until the test ends.
func links(t *testing.T, l net.Listener, answer func(context.Context, *wire.Link[answer, question]) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := wire.ServeLinks(ctx, l, answer); err != nil {
			t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

// asker opens a link to whom dial reaches.
func asker(t *testing.T, dial wire.Dial) *wire.Link[question, answer] {
	t.Helper()
	conn, err := dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return wire.NewLink[question, answer](conn)
}

// echo answers until there is nothing to answer, and what is empty with an error.
func echo(ctx context.Context, l *wire.Link[answer, question]) error {
	peer, _ := wire.Peer(ctx)
	for {
		q, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		if q.Words == "" {
			return wire.Errorf(wire.InvalidArgument, "say something, %s", peer.NodeID)
		}
		if err := l.Send(answer{Words: strings.ToUpper(q.Words)}); err != nil {
			return err
		}
	}
}

func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := wire.NewPipe()
		links(t, pipe, echo)
		l := asker(t, pipe.As(wire.Identity{NodeID: "n1", Role: specs.Worker}))
		for _, words := range []string{"web", strings.Repeat("long ", 100_000), "db"} {
			go func() {
				if err := l.Send(question{Words: words}); err != nil {
					t.Error(err)
				}
			}()
			if got, err := l.Receive(t.Context()); err != nil || got.Words != strings.ToUpper(words) {
				t.Errorf("got %.10q, %v", got.Words, err)
			}
		}
		if err := l.Send(question{}); err != nil {
			t.Error(err)
		}
		if _, err := l.Receive(t.Context()); wire.KindOf(err) != wire.InvalidArgument || err.Error() != "say something, n1" {
			t.Errorf("got %v (%s)", err, wire.KindOf(err))
		}
	})
}

// TestLinksEndWithTheirServer has a server stop while its links are idle.
func TestLinksEndWithTheirServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := wire.NewPipe()
		stop := links(t, pipe, echo)
		l := asker(t, pipe.Dial)
		synctest.Wait()
		go stop()
		if _, err := l.Receive(t.Context()); wire.KindOf(err) != wire.Unavailable || err.Error() != "the other side has stopped" {
			t.Errorf("got %v (%s)", err, wire.KindOf(err))
		}
	})
}

// TestReceiveEnds has nobody say anything.
func TestReceiveEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := wire.NewPipe()
		links(t, pipe, echo)
		enough := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, enough)
		defer cancel()
		start := time.Now()
		_, err := asker(t, pipe.Dial).Receive(ctx)
		if took := time.Since(start); err != enough || took != time.Minute {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// TestALinkThatTakesNothingIsCutOff speaks to somebody who does not listen.
func TestALinkThatTakesNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := wire.NewPipe()
		ended := make(chan error, 1)
		links(t, pipe, func(_ context.Context, l *wire.Link[answer, question]) error {
			err := l.Send(answer{Words: "hello"})
			ended <- err
			return err
		})
		start := time.Now()
		asker(t, pipe.Dial)
		if err := <-ended; wire.KindOf(err) != wire.Unavailable || time.Since(start) != wire.SendTimeout {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

// TestLinkRefusesWhatIsNoFrame announces more than may come, sends what is no
// message, and hangs up in the middle.
func TestLinkRefusesWhatIsNoFrame(t *testing.T) {
	head := func(kind byte, size uint32) []byte {
		return append([]byte{kind}, binary.BigEndian.AppendUint32(nil, size)...)
	}
	for name, tc := range map[string]struct {
		sent []byte
		want wire.Kind
	}{
		"too long":     {head(0, 1<<30), wire.Exhausted},
		"no message":   {append(head(0, 3), "abc"...), wire.Internal},
		"half a frame": {append(head(0, 30), "abc"...), wire.Unavailable},
		"half a head":  {[]byte{0, 0}, wire.Unavailable},
		"another kind": {append(head(7, 1), 0xa0), wire.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			go func() {
				_, _ = far.Write(tc.sent) // the other side may have seen enough
				_ = far.Close()
			}()
			if m, err := wire.NewLink[question, answer](near).Receive(t.Context()); wire.KindOf(err) != tc.want {
				t.Errorf("got %+v, %v (%s)", m, err, wire.KindOf(err))
			}
		})
	}
}

// TestTheLastWordArrives ends links over whatever the other side is saying at that
// moment.
func TestTheLastWordArrives(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	links(t, listener, func(context.Context, *wire.Link[answer, question]) error {
		return wire.Errorf(wire.NotLeader, "ask another one")
	})
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}
	for range 100 {
		l := asker(t, dial)
		for range 10 {
			_ = l.Send(question{Words: "are you there?"}) // it may have hung up
		}
		if _, err := l.Receive(t.Context()); wire.KindOf(err) != wire.NotLeader {
			t.Fatalf("got %v", err)
		}
	}
}
