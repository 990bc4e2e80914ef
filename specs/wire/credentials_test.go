package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// authority issues certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true})
	return a
}

// issue signs a certificate, by itself if there is no root yet.
func (a *authority) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// node is the credentials of a node, whose certificate template the edits change.
func (a *authority) node(id Identity, edits ...func(*x509.Certificate)) *Credentials {
	a.t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{
			CommonName: id.NodeID, OrganizationalUnit: []string{RoleName(id.Role)}, Organization: []string{id.ClusterID},
		},
		DNSNames:    []string{RoleName(id.Role)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, edit := range edits {
		edit(template)
	}
	cert, key := a.issue(template)
	c, err := NewCredentials(tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, []*x509.Certificate{a.cert})
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// openPort serves who calls under three paths and returns the address.
func openPort(t *testing.T, c *Credentials) (addr string, port *Port) {
	t.Helper()
	mux := http.NewServeMux()
	for _, p := range []Unary[askMe, toldYou]{whoJoins, whoIsNode, whoIsManager} {
		p.Serve(mux, func(ctx context.Context, _ askMe) (toldYou, error) {
			peer, _ := Peer(ctx)
			return toldYou{peer.NodeID}, nil
		})
	}
	port = openPortFor(t, c, mux)
	return port.listener.Addr().String(), port
}

// openPortFor serves a mux to nodes.
func openPortFor(t *testing.T, c *Credentials, mux *http.ServeMux) *Port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := NewPort(l, c, slog.New(slog.DiscardHandler))
	untilEnd(t, port.Run)
	serveUntilEnd(t, port.Listener(Calls), mux)
	return port
}

func serveUntilEnd(t *testing.T, l net.Listener, mux *http.ServeMux) {
	untilEnd(t, func(ctx context.Context) error { return Serve(ctx, l, Authorize(mux)) })
}

// untilEnd runs f until the test ends.
func untilEnd(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

type askMe struct{}
type toldYou struct{ Name string }

const (
	whoJoins     Unary[askMe, toldYou] = joinPrefix + "Who"
	whoIsNode    Unary[askMe, toldYou] = nodePrefix + "Who"
	whoIsManager Unary[askMe, toldYou] = managerPrefix + "Who"
)

func manager(id string) Identity { return Identity{id, specs.Manager, "cluster"} }
func worker(id string) Identity  { return Identity{id, specs.Worker, "cluster"} }

func TestNodePort(t *testing.T) {
	root, other := newAuthority(t), newAuthority(t)
	server := root.node(manager("m1"))
	server.Refuse(func(id Identity) error {
		if id.NodeID == "removed" {
			return errors.New("it was removed")
		}
		return nil
	})
	addr, _ := openPort(t, server)
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	for name, c := range map[string]struct {
		client *Client
		call   Unary[askMe, toldYou]
		want   string // the caller as the server knows it, or a part of the error
		kind   Kind   // of the error
	}{
		"a worker calls as a node":      {root.node(worker("w1")).Client(addr), whoIsNode, "w1", 0},
		"a worker is no manager":        {root.node(worker("w1")).Client(addr), whoIsManager, "a worker may not call", PermissionDenied},
		"a manager calls managers":      {root.node(manager("m2")).Client(addr), whoIsManager, "m2", 0},
		"who joins has no name":         {JoinClient(addr, sha256.Sum256(root.cert.Raw)), whoJoins, "", 0},
		"who joins is no node":          {JoinClient(addr, sha256.Sum256(root.cert.Raw)), whoIsNode, "a certificate of the cluster", Unauthenticated},
		"the digest of another cluster": {JoinClient(addr, sha256.Sum256(other.cert.Raw)), whoJoins, ErrOtherCluster.Error(), PermissionDenied},
		"another authority's node":      {other.node(worker("w1")).Client(addr), whoIsNode, "another authority", Unavailable},
		"another cluster's name":        {root.node(Identity{"w1", specs.Worker, "other"}).Client(addr), whoIsNode, "belongs to another cluster", Unavailable},
		"a certificate that has run out": {
			root.node(worker("w1"), expired).Client(addr), whoIsNode, "refuses this node's certificate", Unavailable},
		"a removed node": {root.node(worker("removed")).Client(addr), whoIsNode, "refuses this node's certificate", Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			defer c.client.Close()
			got, err := c.call.Call(t.Context(), c.client, askMe{})
			switch {
			case c.kind == 0 && (err != nil || got.Name != c.want):
				t.Errorf("known as %q, %v, want %q", got.Name, err, c.want)
			case c.kind != 0 && (err == nil || !strings.Contains(err.Error(), c.want) || KindOf(err) != c.kind):
				t.Errorf("got %v (%s), want %q (%s)", err, KindOf(err), c.want, c.kind)
			}
		})
	}
}

// TestOnlyCallsNeedNoCertificate has a stranger ask for each protocol.
func TestOnlyCallsNeedNoCertificate(t *testing.T) {
	root := newAuthority(t)
	addr, _ := openPort(t, root.node(manager("m1")))
	for _, protocol := range []Protocol{Calls, Sessions, Raft} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{string(protocol)}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Read(make([]byte, 1))
		if in := err == nil; in != (protocol == Calls) {
			t.Errorf("%s: %v", protocol, err)
		}
		_ = conn.Close()
	}
}

func TestRaftIsForManagers(t *testing.T) {
	root := newAuthority(t)
	addr, port := openPort(t, root.node(manager("m1")))
	accepted := make(chan net.Conn)
	go func() {
		conn, err := port.Listener(Raft).Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}()
	if _, err := root.node(worker("w1")).Dial(t.Context(), addr, Raft); err == nil || !strings.Contains(err.Error(), "refuses this node's certificate") {
		t.Errorf("a worker gets through to Raft: %v", err)
	}
	conn, err := root.node(manager("m2")).Dial(t.Context(), addr, Raft)
	if err != nil {
		t.Fatal(err)
	}
	far := <-accepted
	if _, err := far.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

// TestDialersWantManagers has a worker listen in a manager's place.
func TestDialersWantManagers(t *testing.T) {
	root := newAuthority(t)
	addr, _ := openPort(t, root.node(worker("w1")))
	if _, err := root.node(worker("w2")).Dial(t.Context(), addr, Calls); err == nil || !strings.Contains(err.Error(), "swarmgit-manager") {
		t.Errorf("a worker is taken for a manager: %v", err)
	}
}

func TestRenewedCredentialsAreUsed(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	server := first.node(manager("m1"))
	addr, _ := openPort(t, server)
	next := second.node(manager("m1")).held.Load()
	if err := server.Renew(next.cert, []*x509.Certificate{second.cert}); err != nil {
		t.Fatal(err)
	}
	client := second.node(worker("w1")).Client(addr)
	defer client.Close()
	if got, err := whoIsNode.Call(t.Context(), client, askMe{}); err != nil || got.Name != "w1" {
		t.Errorf("after the renewal: %v, %v", got, err)
	}
}

// TestIdleConnectionsKeepNobodyOut fills the port with connections that say
// nothing.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	root := newAuthority(t)
	addr, _ := openPort(t, root.node(manager("m1")))
	for range maxCallers + maxCallers/2 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	client := root.node(worker("w1")).Client(addr)
	defer client.Close()
	if got, err := whoIsNode.Call(t.Context(), client, askMe{}); err != nil || got.Name != "w1" {
		t.Errorf("known as %q, %v", got.Name, err)
	}
}

// TestManagersDoNotStandInLine has all room for nodes taken.
func TestManagersDoNotStandInLine(t *testing.T) {
	root := newAuthority(t)
	addr, port := openPort(t, root.node(manager("m1")))
	for range maxHandshakes {
		port.handshakes[Calls] <- struct{}{}
	}
	client := root.node(worker("w1")).Client(addr)
	defer client.Close()
	answered := make(chan error, 1)
	go func() {
		_, err := whoIsNode.Call(t.Context(), client, askMe{})
		answered <- err
	}()
	conn, err := root.node(manager("m2")).Dial(t.Context(), addr, Raft)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	select {
	case err := <-answered:
		t.Errorf("a node found room: %v", err)
	default:
	}
	port.handshakes[Calls].leave()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
