package wire

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestStrangersMayNotStay has callers without a certificate fill the node port.
func TestStrangersMayNotStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := newAuthority(t)
		outer := NewQueue(pipeAddr{})
		port := NewPort(outer, root.node(manager("m1")), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var served sync.WaitGroup
		defer served.Wait()
		defer cancel()
		served.Go(func() { _ = port.Run(ctx) })
		mux := http.NewServeMux()
		whoJoins.Serve(mux, func(context.Context, askMe) (toldYou, error) { return toldYou{}, nil })
		served.Go(func() { _ = Serve(ctx, port.Listener(Calls), Authorize(mux)) })

		// enter is the first that the port says, by a connection that is open.
		enter := func(shown ...tls.Certificate) (net.Conn, error) {
			near, far := net.Pipe()
			if !outer.Put(ctx, far) {
				t.Fatal("the port is closed")
			}
			conn := tls.Client(near, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{string(Calls)}, Certificates: shown})
			_, err := io.ReadFull(conn, make([]byte, 1))
			return conn, err
		}
		var inside []net.Conn
		for range maxStrangers {
			conn, err := enter()
			if err != nil {
				t.Fatal(err)
			}
			inside = append(inside, conn)
		}
		if _, err := enter(); err == nil {
			t.Errorf("there are more than %d strangers", maxStrangers)
		}
		if _, err := enter(root.node(worker("w1")).held.Load().cert); err != nil {
			t.Errorf("strangers keep a node out: %v", err)
		}
		_ = inside[0].Close()
		synctest.Wait()
		if _, err := enter(); err != nil {
			t.Errorf("a place is free, and nobody gets it: %v", err)
		}
		talks := ClientOver(inside[1]) // which answers whether it is still there
		for began := time.Now(); time.Since(began) < strangerTime-time.Second; time.Sleep(time.Second) {
			if _, err := whoJoins.Call(ctx, talks, askMe{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if n := len(port.strangers); n > 0 {
			t.Errorf("%d strangers have stayed", n)
		}
	})
}

// TestWhoJoinsSaysLittle has a stranger send more than a request for a certificate.
func TestWhoJoinsSaysLittle(t *testing.T) {
	join := Unary[toldYou, toldYou](joinPrefix + "Long")
	mux := http.NewServeMux()
	join.Serve(mux, func(context.Context, toldYou) (toldYou, error) { return toldYou{}, nil })
	root := newAuthority(t)
	port := openPortFor(t, root.node(manager("m1")), mux)
	client := JoinClient(port.listener.Addr().String(), sha256.Sum256(root.cert.Raw))
	defer client.Close()
	for length, want := range map[int]Kind{maxJoin / 2: 0, maxJoin: Exhausted} {
		_, err := join.Call(t.Context(), client, toldYou{strings.Repeat("x", length)})
		if err != nil && KindOf(err) != want || err == nil && want != 0 {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}

// TestIdleConnectionsEnd is of one over which nobody asks any more.
func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		whoJoins.Serve(mux, func(context.Context, askMe) (toldYou, error) { return toldYou{}, nil })
		pipe := NewPipe()
		ctx, cancel := context.WithCancel(t.Context())
		var served sync.WaitGroup
		defer served.Wait()
		defer cancel()
		served.Go(func() { _ = Serve(ctx, pipe, mux) })
		conn, err := pipe.Dial(ctx)
		if err != nil {
			t.Fatal(err)
		}
		one, again := ClientOver(conn), NewClient(pipe.Dial)
		defer again.Close()
		for _, client := range []*Client{one, one, again} {
			if _, err := whoJoins.Call(ctx, client, askMe{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(idleTimeout - time.Second)
		}
		time.Sleep(2 * time.Second)
		if _, err := whoJoins.Call(ctx, one, askMe{}); err == nil {
			t.Error("it has stayed")
		}
		if _, err := whoJoins.Call(ctx, again, askMe{}); err != nil {
			t.Errorf("nobody can ask again: %v", err)
		}
	})
}
