package dispatcher_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/dispatcher"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// authority issues certificates.
type authority struct {
	testing.TB
	until time.Time // its certificates are good: all alike, whenever they are made
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) *authority {
	a := &authority{TB: tb, until: time.Now().Add(time.Hour)}
	a.cert, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true})
	return a
}

// sign signs a certificate, by itself if there is no root yet.
func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), a.until
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.Fatal(err)
	}
	return cert, key
}

func (a *authority) node(id string, role specs.Role) *wire.Credentials {
	cert, key := a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: id, OrganizationalUnit: []string{wire.RoleName(role)}, Organization: []string{"cluster"}},
		DNSNames:    []string{wire.RoleName(role)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	c, err := wire.NewCredentials(tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, []*x509.Certificate{a.cert})
	if err != nil {
		a.Fatal(err)
	}
	return c
}

// fleet is a leading manager and connected nodes, with TLS over the loopback, in
// one process.
type fleet struct {
	testing.TB
	*authority
	store *store.Store
	ctx   context.Context
	addr  string
	beats []func() // by node
}

// onlyStore proposes to a store that nobody else writes.
type onlyStore struct {
	*store.Store
	mu    sync.Mutex
	index uint64
}

func (o *onlyStore) Propose(_ context.Context, txs []specs.Transaction) ([]error, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.index++
	return o.Apply(o.index, txs), nil
}

func newFleet(tb testing.TB, nodes int) *fleet {
	f := &fleet{TB: tb, authority: newAuthority(tb), store: store.New()}
	proposer := &onlyStore{Store: f.store}
	patient := specs.Cluster{ID: "cluster", Spec: specs.ClusterSettings{HeartbeatPeriod: specs.Duration(time.Hour)}} // nodes beat as the test wants
	rows := []specs.Transaction{{{Cluster: &patient}}}
	for i := range nodes {
		id := fmt.Sprint("n", i)
		rows = append(rows, specs.Transaction{{Node: specs.Insert(id, specs.Node{ID: id})}})
	}
	if errs, _ := proposer.Propose(tb.Context(), rows); errors.Join(errs...) != nil {
		tb.Fatal(errs)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	d := dispatcher.New(dispatcher.Config{Store: f.store, Propose: proposer, Log: quiet})
	port := wire.NewPort(listener, f.authority.node("m1", specs.Manager), quiet)
	f.addr = listener.Addr().String()

	ctx, cancel := context.WithCancel(context.Background())
	f.ctx = ctx
	var parts sync.WaitGroup
	parts.Go(func() { _ = d.Run(ctx) })
	parts.Go(func() { _ = port.Run(ctx) })
	parts.Go(func() { _ = d.ServeSessions(ctx, port.Listener(wire.Sessions)) })
	tb.Cleanup(func() {
		cancel()
		parts.Wait()
	})
	for i := range nodes {
		f.connect(fmt.Sprint("n", i))
	}
	return f
}

// connect opens a session of a node.
func (f *fleet) connect(id string) {
	conn, err := f.authority.node(id, specs.Worker).Dial(f.ctx, f.addr, wire.Sessions)
	if err != nil {
		f.Fatal(err)
	}
	link := wire.NewNodeEnd(conn)
	if err := link.Send(wire.NodeMessage{Open: &wire.Open{}}); err != nil {
		f.Fatal(err)
	}
	opened, heard := make(chan struct{}), make(chan struct{})
	go func() {
		for {
			msg, err := link.Receive(f.ctx)
			if err != nil {
				return
			}
			if msg.Place != nil {
				close(opened)
			}
			if msg.Heard != nil {
				heard <- struct{}{}
			}
		}
	}()
	<-opened
	f.Cleanup(func() { _ = conn.Close() })
	f.beats = append(f.beats, func() {
		if err := link.Send(wire.NodeMessage{Heartbeat: &wire.Heartbeat{}}); err != nil {
			f.Fatal(err)
		}
		<-heard
	})
}

func (f *fleet) beat(i int) { f.beats[i%len(f.beats)]() }

// TestANodeIsSeenAsItsConnectionSays opens a session over TLS.
func TestANodeIsSeenAsItsConnectionSays(t *testing.T) {
	f := newFleet(t, 1)
	f.beat(0)
	row, _ := f.store.Snapshot().Node("n0")
	cert := row.Seen.Certificate
	if row.Seen.Addr != "127.0.0.1" || cert.Role != specs.Worker || cert.Issuer != wire.DigestOf(f.cert) || cert.NotAfter.Before(time.Now()) {
		t.Errorf("seen %+v", row.Seen)
	}
	f.connect("n0")
	if again, _ := f.store.Snapshot().Node("n0"); again.SeenVersion != row.SeenVersion {
		t.Error("a second session without news is written down")
	}
}

// BenchmarkHeartbeat is what a heartbeat costs both ends together while 1,000
// nodes have their sessions open, and what a session holds, both ends together.
func BenchmarkHeartbeat(b *testing.B) {
	const nodes = 1000
	before := held()
	start := time.Now()
	f := newFleet(b, nodes)
	opened := time.Since(start)
	for i := range nodes {
		f.beat(i)
	}
	perSession := float64(held()-before) / nodes
	i, cpu := 0, processorTime(b)
	for b.Loop() {
		f.beat(i)
		i++
	}
	b.ReportMetric(float64(processorTime(b)-cpu)/float64(time.Microsecond)/float64(b.N), "cpu-us/op")
	b.ReportMetric(perSession/1024, "kB/session")
	b.ReportMetric(float64(opened)/float64(time.Millisecond)/nodes, "ms/opening")
}

// held is the memory in use, in bytes.
func held() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
