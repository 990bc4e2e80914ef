package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// issuer makes credentials of one cluster.
func issuer(t *testing.T) func(nodeID string, role specs.Role) *wire.Credentials {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial := int64(0)
	issue := func(template, parent *x509.Certificate) *x509.Certificate {
		t.Helper()
		serial++
		template.SerialNumber = big.NewInt(serial)
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true}
	root := issue(template, template)
	return func(nodeID string, role specs.Role) *wire.Credentials {
		t.Helper()
		cert := issue(&x509.Certificate{
			Subject:     pkix.Name{CommonName: nodeID, OrganizationalUnit: []string{wire.RoleName(role)}, Organization: []string{"prod"}},
			DNSNames:    []string{wire.RoleName(role)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}, root)
		c, err := wire.NewCredentials(tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, []*x509.Certificate{root})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// Requests travel over the port of nodes, in the name of the manager that was
// asked. A worker cannot speak for people.
func TestRequestsTravelOverThePortOfNodes(t *testing.T) {
	credentials := issuer(t)
	w := prod(t)
	people, nodes := http.NewServeMux(), http.NewServeMux()
	w.server().Register(people)
	nodes.Handle(ForwardedPath+"/", Forwarded(people, func(context.Context) bool { return true }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := wire.NewPort(l, credentials(id("n1"), specs.Manager), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- port.Run(ctx) }()
	go func() { ended <- wire.Serve(ctx, port.Listener(wire.Calls), wire.Authorize(nodes)) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	through := func(role specs.Role) (Node, error) {
		own := credentials(id("n2"), role)
		p := &pair{t: t}
		p.addr, _ = p.serve(Forward(http.NotFoundHandler(), func() (Leader, bool) {
			return Leader{NodeID: id("n1"), Dial: func(ctx context.Context) (net.Conn, error) {
				return own.Dial(ctx, l.Addr().String(), wire.Calls)
			}, Succeeded: func(ctx context.Context) { <-ctx.Done() }}, true
		}))
		return InspectNode.Call(t.Context(), p.client(), ByName{Name: "self"})
	}
	if node, err := through(specs.Manager); err != nil || node.ID != id("n2") || !node.Self {
		t.Errorf("got %+v, %v", node, err)
	}
	_, err = through(specs.Worker)
	wantKind(t, err, wire.PermissionDenied, "a worker may not call /swarmgit.manager/people/swarmgit.api/InspectNode")
}
