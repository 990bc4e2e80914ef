package identity_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// cluster is managers with real node ports over one real store. What Raft does
// between them is done by applying at once.
type cluster struct {
	*testing.T
	store *store.Store
	log   *slog.Logger
	dir   string

	mu       sync.Mutex
	index    uint64
	ahead    time.Duration // of the managers' clock
	leader   *manager
	told     map[string]specs.Hash // what the leader wants nodes to renew to
	votes    string                // a node that the managers need the vote of
	telling  *sync.Cond            // told has changed
	managers []*manager
}

// manager is one of them.
type manager struct {
	*cluster
	*ca.Server
	id   *identity.Identity
	addr string
	quit func()
	done func() // ends its term
}

// hello is what a node's session does: it shows the certificate, and learns
// whether it is to be renewed.
type (
	helloRequest struct{}
	helloReply   struct {
		Role   specs.Role `json:"role"`
		Issuer specs.Hash `json:"issuer"`
	}
)

const hello wire.Unary[helloRequest, helloReply] = "/swarmgit.node/Hello"

// newCluster makes a cluster as --init does, with one manager that leads.
func newCluster(t *testing.T, o ca.Options) *cluster {
	t.Helper()
	c := &cluster{T: t, store: store.New(), log: slog.New(slog.DiscardHandler), dir: t.TempDir(), told: map[string]specs.Hash{}}
	c.telling = sync.NewCond(&c.mu)
	a, err := ca.NewAuthority(o, c.now())
	if err != nil {
		t.Fatal(err)
	}
	first := wire.Identity{NodeID: "first", Role: specs.Manager, ClusterID: "prod"}
	id, err := identity.Create(t.Context(), filepath.Join(c.dir, "first"), func(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
		return ca.Issue(ctx, a, csr, first, c.now(), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	c.write(specs.Change{Cluster: &specs.Cluster{ID: "prod"}}, specs.Change{Authority: &a},
		specs.Change{Node: specs.Insert("first", specs.Node{Spec: specs.NodeSpec{Role: specs.Manager}})})
	c.lead(c.manage(id))
	return c
}

func (c *cluster) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *cluster) propose(_ context.Context, tx specs.Transaction) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	return c.store.Apply(c.index, []specs.Transaction{tx})[0]
}

func (c *cluster) write(tx ...specs.Change) {
	c.Helper()
	if err := c.propose(c.Context(), tx); err != nil {
		c.Fatal(err)
	}
}

// manage opens the node port of a manager.
func (c *cluster) manage(id *identity.Identity) *manager {
	c.Helper()
	m := &manager{cluster: c, id: id}
	m.Server = ca.New(ca.Config{
		Store: c.store, Propose: c.propose, Now: c.now, Log: c.log,
		Leader: func() string {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.leader == nil {
				return ""
			}
			return c.leader.addr
		},
		Votes: func(node string) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.votes == node
		},
		Tell: func(node string, issuer specs.Hash) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.told[node] = issuer
			c.telling.Broadcast()
		},
	})
	id.Credentials().Refuse(m.Refuse)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.Fatal(err)
	}
	m.addr = l.Addr().String()
	mux := http.NewServeMux()
	m.Register(mux)
	hello.Serve(mux, m.hello)
	port := wire.NewPort(l, id.Credentials(), c.log)
	m.quit = c.run(port.Run, func(ctx context.Context) error {
		return wire.Serve(ctx, port.Listener(wire.Calls), wire.Authorize(mux))
	})
	c.managers = append(c.managers, m)
	return m
}

// run runs fs until the returned function is called or the test ends.
func (c *cluster) run(fs ...func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, f := range fs {
		running.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				c.Error(err)
			}
		})
	}
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	c.Cleanup(stop)
	return stop
}

// lead gives the leadership to m; nil takes it away.
func (c *cluster) lead(m *manager) {
	c.mu.Lock()
	old := c.leader
	c.leader = m
	c.mu.Unlock()
	if old != nil {
		old.done()
	}
	if m != nil {
		m.done = c.run(m.Server.Run)
	}
}

// hello writes down what the node's certificate is, as the dispatcher does.
func (m *manager) hello(ctx context.Context, _ helloRequest) (helloReply, error) {
	peer, _ := wire.Peer(ctx)
	node, ok := m.store.Snapshot().Node(peer.NodeID)
	if !ok {
		return helloReply{}, wire.Errorf(wire.NotFound, "no such node")
	}
	node.Seen.Status, node.Seen.Certificate = specs.NodeReady, wire.PeerCertificate(ctx)
	err := m.propose(ctx, specs.Transaction{{NodeSeen: specs.Set(node.ID, node.SeenVersion, node.Seen)}})
	m.mu.Lock()
	defer m.mu.Unlock()
	return helloReply{Role: node.Spec.Role, Issuer: m.told[node.ID]}, err
}

// at makes a name into the directory of a machine.
func (c *cluster) at(machine string) string { return filepath.Join(c.dir, machine) }

// join makes a machine a node.
func (c *cluster) join(machine string, role specs.Role, addrs ...string) *identity.Identity {
	c.Helper()
	if len(addrs) == 0 {
		addrs = []string{c.managers[0].addr}
	}
	token, err := c.managers[0].JoinToken(role)
	if err != nil {
		c.Fatal(err)
	}
	id, err := identity.Join(c.Context(), c.at(machine), addrs, token, c.log)
	if err != nil {
		c.Fatal(err)
	}
	return id
}

// greet opens a session for a moment.
func (c *cluster) greet(id *identity.Identity) (helloReply, error) {
	client := id.Credentials().Client(c.managers[0].addr)
	defer client.Close()
	return hello.Call(c.Context(), client, helloRequest{})
}

// renewal keeps an identity good; renewed gets a value for each renewal.
func (c *cluster) renewal(id *identity.Identity) (renewed <-chan wire.Identity) {
	done := make(chan wire.Identity, 16)
	r := &identity.Renewal{
		Identity: id, Log: c.log, Renewed: func(before wire.Identity) { done <- before },
		Connect: func(context.Context) (*wire.Client, error) { return id.Credentials().Client(c.managers[0].addr), nil },
	}
	c.run(r.Run)
	return done
}

// mustGreet opens a session, which must succeed.
func (c *cluster) mustGreet(id *identity.Identity) helloReply {
	c.Helper()
	reply, err := c.greet(id)
	if err != nil {
		c.Fatal(err)
	}
	return reply
}
