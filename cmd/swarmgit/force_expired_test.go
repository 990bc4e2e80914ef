package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// tcp joins managers without certificates.
type tcp struct{ net.Listener }

func listenAnywhere(t *testing.T) tcp {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	do(t, err)
	return tcp{l}
}

func (n tcp) Address() string { return n.Addr().String() }

func (n tcp) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// TestForceNewClusterWithExpiredCertificates has two managers whose certificates
// ran out while both were off: neither lets the other in. One goes on alone, and
// gives itself a certificate.
func TestForceNewClusterWithExpiredCertificates(t *testing.T) {
	c := &realCluster{dir: t.TempDir(), http: "127.0.0.1:0", flags: []string{"--listen", "127.0.0.1:0"}, setting: []string{memoryEngine}}
	c.tellOnFailure(t)
	do(t, os.MkdirAll(c.path("clone"), 0o700))
	self := wire.Identity{NodeID: specs.NewID(rand.Reader), Role: specs.Manager, ClusterID: specs.NewID(rand.Reader)}
	var authority specs.Authority
	yesterday := time.Now().Add(-24 * time.Hour)
	synctest.Test(t, func(t *testing.T) { // its clock is not the machine's
		time.Sleep(time.Until(yesterday))
		var err error
		authority, err = ca.NewAuthority(ca.Options{}, time.Now())
		do(t, err)
		short := authority
		short.CertExpiry = specs.Duration(time.Hour)
		_, err = identity.Create(t.Context(), c.path("data/identity"), func(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
			return ca.Issue(ctx, short, csr, self, time.Now(), nil)
		})
		do(t, err)
	})
	if _, err := identity.Load(c.path("data/identity")); !errors.Is(err, identity.ErrExpired) {
		t.Fatalf("the identity says %v", err)
	}
	twoManagers(t, c.path("data/raft"), self, authority)

	out, errs, code := c.swarmgit("daemon", "force-new-cluster", "--data-dir", c.path("data"), "--yes")
	if code != 0 {
		t.Fatalf("exits %d: %s%s", code, out, errs)
	}
	wantWords(t, out, "removed: manager other at 127.0.0.1:")
	t.Cleanup(func() {
		c.kill()
		do(t, newNodeLogs(c.path("data"), quietLog()).Stop(context.Background()))
	})
	do(t, c.start())
	c.await(t, "a new certificate", func() bool {
		id, err := identity.Load(c.path("data/identity"))
		return err == nil && id.Credentials().Self() == self && time.Until(id.Certificate().NotAfter) > time.Hour
	})
}

// twoManagers leaves on disk what one of two voters knows of their cluster.
func twoManagers(t *testing.T, dir string, self wire.Identity, authority specs.Authority) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	open := func(cfg consensus.Config) *consensus.Consensus {
		cfg.Store, cfg.Network, cfg.Log = store.New(), listenAnywhere(t), quietLog()
		c, err := consensus.Open(cfg)
		do(t, err)
		go func() { _ = c.Run(ctx) }() // Close says what it ended with
		t.Cleanup(func() { do(t, c.Close()) })
		return c
	}
	one := open(consensus.Config{Dir: dir, NodeID: self.NodeID, Bootstrap: true})
	_, err := one.Leading(ctx)
	do(t, err)
	node := func(id string) specs.Change {
		return specs.Change{Node: specs.Insert(id, specs.Node{ID: id, Spec: specs.NodeSpec{Role: specs.Manager}})}
	}
	refused, err := one.Propose(ctx, []specs.Transaction{{
		{Cluster: &specs.Cluster{ID: self.ClusterID, Name: "two", Key: []byte("key")}}, {Authority: &authority},
		{Source: specs.Insert(specs.MainSource, specs.Source{Name: specs.MainSource, Branch: "main"})}, node(self.NodeID), node("other"),
	}})
	do(t, errors.Join(append(refused, err)...))
	other := open(consensus.Config{Memory: consensus.NewMemory(), NodeID: "other"})
	for voter := false; !voter; time.Sleep(10 * time.Millisecond) {
		voter, err = one.Join(ctx, other.Joining())
		do(t, err)
	}
	do(t, one.Admit())
	do(t, one.Close())
}
