package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// tunnel leads from the machine that runs the tests to an address that this one
// reaches. All that goes there is written to heard too.
func (h *machine) tunnel(t testing.TB, to string, heard io.Writer) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := h.dial(to, patience)
			if err != nil {
				near.Close()
				continue
			}
			carry := func(to net.Conn, from io.Reader) {
				_, _ = io.Copy(to, from)
				_ = to.(*net.TCPConn).CloseWrite() // it may be closed
			}
			go carry(near, far)
			go carry(far, io.TeeReader(near, heard))
		}
	}()
	return l.Addr().String()
}

// nodePort is where nodes meet a manager.
func (c *realCluster) nodePort() string { return c.machine.addr + ":" + defaultPort }

// strangers try to get in.
func strangers(t *testing.T, f *realFleet) {
	leader, inside := f.awaitLeader(t), f.nodes[len(f.nodes)-1]
	addr := inside.machine.tunnel(t, leader.nodePort(), io.Discard)
	token, err := specs.ParseJoinToken(f.token(t, false))
	do(t, err)
	length := len(leader.log(t))
	t.Run("Garbage", func(t *testing.T) { garbage(t, addr) })
	t.Run("NoCertificate", func(t *testing.T) { noCertificate(t, addr, token) })
	t.Run("Worker", func(t *testing.T) { presumptuousWorker(t, f, addr, leader, inside) })
	t.Run("Replay", func(t *testing.T) { replay(t, f, leader, inside) })
	t.Run("OtherCluster", func(t *testing.T) { otherCluster(t, addr, token) })
	said := leader.log(t)[length:]
	wantWords(t, said, "a connection to the node port was refused")
	if strings.Contains(said, string(token.Secret)) {
		t.Error("the log holds the token")
	}
	note(t, f.person(t, f.followers(leader)[0]))
}

// garbage is no TLS.
func garbage(t *testing.T, addr string) {
	for _, words := range []string{"GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x16\x03\x01\xff", 5000), "\x00"} {
		conn, err := net.Dial("tcp", addr)
		do(t, err)
		_, err = io.WriteString(conn, words)
		do(t, err)
		do(t, conn.(*net.TCPConn).CloseWrite())
		if _, err := io.ReadAll(conn); err != nil {
			t.Logf("%.10q: %v", words, err)
		}
		conn.Close()
	}
}

// isRefused checks the kind and the words of a refusal.
func isRefused(t testing.TB, err error, kind wire.Kind, words string) {
	t.Helper()
	if err == nil || wire.KindOf(err) != kind || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v (%s), want %q (%s)", err, wire.KindOf(err), words, kind)
	}
}

// noCertificate calls what nodes may call, and joins with a wrong token.
func noCertificate(t *testing.T, addr string, token specs.JoinToken) {
	client := wire.JoinClient(addr, token.Root)
	defer client.Close()
	_, err := wire.JoinManagers.Call(t.Context(), client, wire.JoinManagersRequest{})
	isRefused(t, err, wire.Unauthenticated, "nodes that have a certificate")
	token.Secret = specs.Hidden(strings.Repeat("0", len(token.Secret)))
	_, err = identity.Join(t.Context(), t.TempDir(), []string{addr}, token, slog.New(slog.DiscardHandler))
	isRefused(t, err, wire.PermissionDenied, "token")
	token.Root[0]++
	_, err = identity.Join(t.Context(), t.TempDir(), []string{addr}, token, slog.New(slog.DiscardHandler))
	isRefused(t, err, wire.PermissionDenied, wire.ErrOtherCluster.Error())
}

// asManager asks for a manager's certificate for a node.
func asManager(t testing.TB, n *identity.Identity) wire.CertifyRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	do(t, err)
	who := n.Credentials().Certificate().Subject
	who.OrganizationalUnit = []string{wire.RoleName(specs.Manager)}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: who, DNSNames: []string{wire.RoleName(specs.Manager)}}, key)
	do(t, err)
	return wire.CertifyRequest{CSR: csr}
}

// presumptuousWorker has a good certificate, and asks for more than that gives.
func presumptuousWorker(t *testing.T, f *realFleet, addr string, leader, n *realCluster) {
	self, err := identity.Load(n.path("data/identity"))
	do(t, err)
	client := self.Credentials().Client(addr)
	defer client.Close()
	_, err = wire.JoinManagers.Call(t.Context(), client, wire.JoinManagersRequest{Address: "10.213.77.250:2377"})
	isRefused(t, err, wire.PermissionDenied, "a worker may not call")
	reply, err := wire.Certify.Call(t.Context(), client, asManager(t, self))
	do(t, err)
	cert, err := x509.ParseCertificate(reply.Chain[0])
	do(t, err)
	if got, err := wire.IdentityOf(cert); err != nil || got != self.Credentials().Self() || reply.Role != specs.Worker {
		t.Errorf("it is certified as %+v, %v", got, err)
	}
	f.await(t, "the session of the leader's own node is refused to another", func() bool {
		opened := regexp.MustCompile(`session opened.* session=(\w+)`).FindAllStringSubmatch(leader.log(t), -1)
		_, err := wire.NeededImages.Call(t.Context(), client, wire.NeededImagesRequest{SessionID: opened[len(opened)-1][1]})
		return wire.KindOf(err) == wire.PermissionDenied && strings.Contains(err.Error(), "session")
	})
	session, err := self.Credentials().Dial(t.Context(), addr, wire.Sessions)
	do(t, err)
	defer session.Close()
	_, err = io.WriteString(session, "GET / HTTP/1.1\r\n\r\n") // which reads as a message that is far too long
	do(t, err)
	_, err = wire.NewNodeEnd(session).Receive(t.Context())
	isRefused(t, err, wire.Exhausted, "a message of")
	conn, err := self.Credentials().Dial(t.Context(), addr, wire.Raft)
	if err == nil {
		defer conn.Close()
		if _, err = conn.Read(make([]byte, 1)); err == nil {
			t.Error("a worker speaks Raft")
		}
	}
}

// recording keeps what several connections write to it.
type recording struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (r *recording) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes.Write(p)
}

// replay sends again what a worker and a manager have sent: each is refused, and
// nothing comes of it.
func replay(t *testing.T, f *realFleet, leader, inside *realCluster) {
	say := map[*realCluster]func(*identity.Identity, string) error{
		inside: func(self *identity.Identity, addr string) error { // a new certificate
			client := self.Credentials().Client(addr)
			defer client.Close()
			_, err := wire.Certify.Call(t.Context(), client, asManager(t, self))
			return err
		},
		f.followers(leader)[0]: func(self *identity.Identity, addr string) error {
			conn, err := self.Credentials().Dial(t.Context(), addr, wire.Raft)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}
	for n, speak := range say {
		heard := &recording{}
		self, err := identity.Load(n.path("data/identity"))
		do(t, err)
		do(t, speak(self, n.machine.tunnel(t, leader.nodePort(), heard)))
		length := len(leader.log(t))
		conn, err := net.Dial("tcp", n.machine.tunnel(t, leader.nodePort(), io.Discard))
		do(t, err)
		heard.mu.Lock()
		_, err = conn.Write(heard.bytes.Bytes())
		heard.mu.Unlock()
		do(t, err)
		if _, err := io.ReadAll(conn); err != nil {
			t.Logf("%s: %v", n.name(), err)
		}
		conn.Close()
		f.await(t, "a replay is refused", func() bool { return strings.Contains(leader.log(t)[length:], "bad record MAC") })
		if said := leader.log(t)[length:]; strings.Contains(said, "issued a certificate") {
			t.Errorf("a replay does something: %s", said)
		}
	}
}

// otherCluster is a manager of another cluster. It is refused by both sides, and
// by this one too when it trusts anybody.
func otherCluster(t *testing.T, addr string, token specs.JoinToken) {
	authority, err := ca.NewAuthority(ca.Options{}, time.Now())
	do(t, err)
	other, err := identity.Create(t.Context(), t.TempDir(), func(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
		return ca.Issue(ctx, authority, csr, wire.Identity{NodeID: specs.NewID(rand.Reader), Role: specs.Manager, ClusterID: specs.NewID(rand.Reader)}, time.Now(), nil)
	})
	do(t, err)
	client := other.Credentials().Client(addr)
	defer client.Close()
	_, err = wire.JoinManagers.Call(t.Context(), client, wire.JoinManagersRequest{})
	isRefused(t, err, wire.Unavailable, "its certificate is from another authority")
	conn, err := tls.Dial("tcp", addr, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{string(wire.Calls)}, GetClientCertificate: other.Credentials().Show})
	if err == nil {
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	if err == nil || !strings.Contains(err.Error(), "remote error: tls: ") {
		t.Errorf("a stranger is answered: %v", err)
	}
	_, err = identity.Join(t.Context(), t.TempDir(), []string{addr}, authority.Token(specs.Worker), slog.New(slog.DiscardHandler))
	isRefused(t, err, wire.PermissionDenied, wire.ErrOtherCluster.Error())
}

// idleConnections fill the leader's port with who says nothing, while people
// work.
func idleConnections(t *testing.T, f *realFleet) {
	leader := f.awaitLeader(t)
	p := f.person(t, f.followers(leader)[0])
	for range 200 {
		conn, err := f.nodes[len(f.nodes)-1].machine.dial(leader.nodePort(), patience)
		do(t, err)
		defer conn.Close()
	}
	note(t, p)
}
