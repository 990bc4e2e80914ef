package wire

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/specs"
)

// Protocol is what is spoken over a connection between nodes; TLS negotiates it.
type Protocol string

// The protocols of the node port.
const (
	Calls    Protocol = "h2" // procedures
	Sessions Protocol = "swarmgit-session"
	Raft     Protocol = "swarmgit-raft"
)

// dialTimeout bounds a connection and its handshake.
const dialTimeout = 5 * time.Second

// Credentials are a node's certificate and the roots that it trusts. They are
// renewed while connections use them, which keep what they began with. Safe for
// concurrent use.
type Credentials struct {
	held   atomic.Pointer[held]
	refuse atomic.Pointer[func(Identity) error] // nil refuses nobody
}

type held struct {
	cert  tls.Certificate
	roots *x509.CertPool
	chain [][]byte // what is shown: the certificate, what is between, the roots
	self  Identity
}

// NewCredentials returns credentials that hold a certificate with its key.
func NewCredentials(cert tls.Certificate, roots []*x509.Certificate) (*Credentials, error) {
	c := &Credentials{}
	return c, c.Renew(cert, roots)
}

// Renew replaces certificate and roots for connections from now on.
func (c *Credentials) Renew(cert tls.Certificate, roots []*x509.Certificate) error {
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return fmt.Errorf("read this node's certificate: %w", err)
	}
	h := &held{cert: cert, roots: x509.NewCertPool()}
	if h.self, err = IdentityOf(leaf); err != nil {
		return err
	}
	h.cert.Leaf = leaf
	h.chain = append(h.chain, cert.Certificate...)
	for _, root := range roots {
		h.roots.AddCert(root)
		h.chain = append(h.chain, root.Raw)
	}
	c.held.Store(h)
	return nil
}

// Self is who this node is.
func (c *Credentials) Self() Identity { return c.held.Load().self }

// Certificate is the node's own one.
func (c *Credentials) Certificate() *x509.Certificate { return c.held.Load().cert.Leaf }

// server is how connections are taken. A caller without a certificate is let in
// to join; see Authorize.
func (c *Credentials) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			h := c.held.Load()
			shown := h.cert
			shown.Certificate = h.chain // with the roots: who joins knows their digest only
			return &tls.Config{
				MinVersion: tls.VersionTLS13, NextProtos: []string{string(Calls), string(Sessions), string(Raft)},
				Certificates: []tls.Certificate{shown}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: h.roots,
				SessionTicketsDisabled: true, // a node that was removed must not resume
				VerifyConnection:       func(s tls.ConnectionState) error { return c.admit(h, s) },
			}, nil
		},
	}
}

// admit refuses callers of other clusters, removed ones, and any but managers
// for Raft.
func (c *Credentials) admit(h *held, s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		if s.NegotiatedProtocol != string(Calls) {
			return errors.New("no certificate")
		}
		return nil
	}
	peer, err := h.peer(s)
	switch {
	case err != nil:
		return err
	case s.NegotiatedProtocol == string(Raft) && peer.Role != specs.Manager:
		return fmt.Errorf("node %s is no manager", peer.NodeID)
	}
	if refuse := c.refuse.Load(); refuse != nil {
		return (*refuse)(peer)
	}
	return nil
}

// Refuse sets what says why a node is not let in although its certificate is
// good.
func (c *Credentials) Refuse(why func(Identity) error) { c.refuse.Store(&why) }

// peer is the other side of a connection, a node of this cluster.
func (h *held) peer(s tls.ConnectionState) (Identity, error) {
	peer, err := IdentityOf(s.PeerCertificates[0])
	if err == nil && peer.ClusterID != h.self.ClusterID {
		err = fmt.Errorf("node %s belongs to another cluster", peer.NodeID)
	}
	return peer, err
}

// Dial connects to the manager at addr and speaks protocol with it.
func (c *Credentials) Dial(ctx context.Context, addr string, protocol Protocol) (net.Conn, error) {
	return c.dial(ctx, addr, protocol, c.Show)
}

// show is what a TLS client shows to a server that asks for a certificate.
type show func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

func (c *Credentials) dial(ctx context.Context, addr string, protocol Protocol, show show) (net.Conn, error) {
	h := c.held.Load()
	return dialTLS(ctx, addr, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{string(protocol)},
		RootCAs: h.roots, ServerName: RoleName(specs.Manager),
		GetClientCertificate: show,
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := h.peer(s)
			return err
		},
	})
}

// Show is the certificate to show to a server that asks for one.
func (c *Credentials) Show(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return &c.held.Load().cert, nil
}

// Client returns a client of the manager at addr.
func (c *Credentials) Client(addr string) *Client {
	return NewClient(func(ctx context.Context) (net.Conn, error) { return c.Dial(ctx, addr, Calls) })
}

// ErrOtherCluster says that the manager at an address is not of the cluster that
// a join token names.
var ErrOtherCluster = errors.New("the token is for another cluster (its certificate digest differs)")

// JoinClient returns a client of the manager at addr for a node that has no
// certificate yet. Before it says anything it checks that the manager's
// certificate comes from the root whose SHA-256 digest is given.
func JoinClient(addr string, rootDigest [sha256.Size]byte) *Client {
	return NewClient(func(ctx context.Context) (net.Conn, error) {
		return dialTLS(ctx, addr, &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{string(Calls)},
			InsecureSkipVerify: true, // VerifyConnection does what it would have done
			VerifyConnection:   func(s tls.ConnectionState) error { return verifyByDigest(s, rootDigest) },
		})
	})
}

// verifyByDigest looks for the root among the certificates that were shown, and
// checks the manager's against it.
func verifyByDigest(s tls.ConnectionState, digest [sha256.Size]byte) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, cert := range s.PeerCertificates[1:] {
		if sha256.Sum256(cert.Raw) == digest {
			roots.AddCert(cert)
			found = true
		} else {
			between.AddCert(cert)
		}
	}
	if !found {
		return ErrOtherCluster
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, DNSName: RoleName(specs.Manager),
	})
	return err
}

func dialTLS(ctx context.Context, addr string, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&tls.Dialer{NetDialer: &attentive, Config: config}).DialContext(ctx, "tcp", addr)
	if err == nil {
		err = admitted(ctx, conn)
	}
	if err != nil {
		return nil, dialFailure(addr, err)
	}
	return conn, nil
}

// deafAfter is after how long without a word from the other side's kernel a
// connection is broken: a node has three heartbeats until it is taken for lost,
// and looks for another manager meanwhile.
const deafAfter = 4 * time.Second

// attentive has the kernel look after connections, which costs no process anything.
var attentive = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deafAfter / 2, Interval: deafAfter / 4, Count: 2},
	Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deafAfter.Milliseconds())) // of what is not acknowledged
		})
		return cmp.Or(failed, err)
	},
}

// admitted waits until the other side lets this one in. It closes the connection
// if that is not so.
func admitted(ctx context.Context, conn net.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })() // ends Read
	first := make([]byte, 1)
	_, err := conn.Read(first)
	if err == nil && first[0] != welcome {
		err = errors.New("no node port of swarmgit answers there")
	}
	if err != nil {
		_ = conn.Close() // it is of no use
		return cmp.Or(ctx.Err(), err)
	}
	return nil
}

// dialFailure is why a manager was not reached, in words.
func dialFailure(addr string, err error) error {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var op *net.OpError
	switch {
	case errors.Is(err, ErrOtherCluster):
		return Errorf(PermissionDenied, "%s: %w", addr, ErrOtherCluster)
	case errors.As(err, &unknown):
		return Errorf(Unavailable, "%s: it is no manager of this cluster: its certificate is from another authority", addr)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Errorf(Unavailable, "%s: the certificate of the manager there has run out, or a clock is wrong", addr)
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(Unavailable, "%s: no answer in %s", addr, dialTimeout)
	case errors.Is(err, io.EOF):
		return Errorf(Unavailable, "%s: it hung up before it answered", addr)
	case errors.As(err, &op) && op.Op == "dial":
		return Errorf(Unavailable, "%s: %w", addr, op.Err)
	}
	return Errorf(Unavailable, "%s: %w", addr, refusal(err))
}

// refusal says in words that the other side did not like our certificate.
func refusal(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" { // as crypto/tls names an alert
		return err
	}
	return fmt.Errorf("the manager refuses this node's certificate (%w): the node was removed, or its certificate has run out: "+
		"see \"swarmgit node ls\" and \"swarmgit node readmit\" on a manager", err)
}
