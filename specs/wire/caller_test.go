package wire

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// TestCallerIsKnown asks a procedure who called it, over TLS and over a pipe.
func TestCallerIsKnown(t *testing.T) {
	root := newAuthority(t)
	var addr string
	var cert specs.NodeCertificate
	answer := func(ctx context.Context, _ askMe) (toldYou, error) {
		addr, cert = CallerAddr(ctx), PeerCertificate(ctx)
		peer, _ := Peer(ctx)
		return toldYou{peer.NodeID}, nil
	}
	mux := http.NewServeMux()
	whoIsNode.Serve(mux, answer)
	port := openPortFor(t, root.node(manager("m1")), mux).listener.Addr().String()
	pipe := NewPipe()
	serveUntilEnd(t, pipe, mux)

	mine := root.node(worker("w1"))
	for _, c := range []struct {
		client *Client
		addr   string // its beginning
		cert   specs.NodeCertificate
	}{
		{mine.Client(port), "127.0.0.1:", specs.NodeCertificate{
			Role: specs.Worker, Issuer: DigestOf(root.cert), NotAfter: mine.Certificate().NotAfter.UTC(),
		}},
		{NewClient(pipe.As(worker("w1"))), "pipe", specs.NodeCertificate{}},
	} {
		got, err := whoIsNode.Call(t.Context(), c.client, askMe{})
		c.client.Close()
		if err != nil || got.Name != "w1" || !strings.HasPrefix(addr, c.addr) || cert != c.cert {
			t.Errorf("known as %q from %q with %+v, %v", got.Name, addr, cert, err)
		}
	}
}
