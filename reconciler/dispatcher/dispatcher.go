package dispatcher

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Proposer brings transactions into the cluster's memory and returns once they
// are applied on this manager: one error for each transaction, nil or one that
// wraps store.ErrConflict; or one for all when nothing is known of them.
type Proposer interface {
	Propose(ctx context.Context, txs []specs.Transaction) ([]error, error)
}

// Config is what a dispatcher is made of.
type Config struct {
	Store   *store.Store
	Propose Proposer
	Log     *slog.Logger
	Now     func() time.Time // for what is stored; nil is time.Now

	// Confirm returns once the managers have agreed, since the call, that this one
	// leads. Nil takes it for granted.
	Confirm func(context.Context) error

	// Managers is where the managers are reached and which of them leads, as far
	// as this one knows, and a channel that closes when that has changed. It is
	// asked while this manager does not lead, too. Nil tells the nodes of none.
	Managers func() ([]wire.Manager, <-chan struct{})

	// Renew is the digest of what a node's certificate has to be signed with from
	// now on, empty if any will do, and a channel that closes when that may have
	// changed. Nil asks for nothing.
	Renew func(nodeID string) (issuer string, changed <-chan struct{})

	// Content is what a stored secret or config holds.
	Content func(specs.Payload) ([]byte, error)

	// Login is what opens the registry of an image, the zero Login if nothing is
	// kept for it.
	Login func(image string) (specs.Login, error)
}

// Dispatcher answers the nodes.
type Dispatcher struct {
	Config

	mu   sync.Mutex
	term *term // nil while this manager does not lead
}

// New returns a dispatcher that refuses every call until it runs.
func New(c Config) *Dispatcher {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Confirm == nil {
		c.Confirm = func(context.Context) error { return nil }
	}
	if c.Managers == nil {
		c.Managers = func() ([]wire.Manager, <-chan struct{}) { return nil, nil }
	}
	if c.Renew == nil {
		c.Renew = func(string) (string, <-chan struct{}) { return "", nil }
	}
	return &Dispatcher{Config: c}
}

// ServeSessions answers the nodes that connect by l, until ctx ends. Then it closes
// l, and returns once the last session has ended.
func (d *Dispatcher) ServeSessions(ctx context.Context, l net.Listener) error {
	return wire.ServeLinks(ctx, l, d.session)
}

// Register answers the nodes' procedures on mux.
func (d *Dispatcher) Register(mux *http.ServeMux) {
	wire.Content.Serve(mux, d.content)
	wire.RegistryLogin.Serve(mux, d.registryLogin)
	wire.NeededImages.Serve(mux, d.neededImages)
	wire.PublishLogs.Serve(mux, d.publishLogs)
	wire.Exec.Serve(mux, d.exec)
}

// Run is one term as leader: sessions are open from its call until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	t := newTerm(d.Config)
	d.setTerm(t)
	defer func() {
		d.setTerm(nil)
		t.end()
	}()
	flows, ctx := errgroup.WithContext(ctx)
	flows.Go(func() error { return t.watchPresence(ctx) })
	flows.Go(func() error { return t.route(ctx) })
	flows.Go(func() error { return t.commitReports(ctx) })
	flows.Go(func() error { return t.orphan(ctx) })
	err := flows.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Heard is when the node was first heard of since this manager leads, or since the
// node was down; one that has not been is unknown, and its time is zero.
func (d *Dispatcher) Heard(nodeID string) time.Time {
	t, err := d.current()
	if err != nil {
		return time.Time{}
	}
	return t.heard(nodeID)
}

// Trouble is what a node says that the operator should know of it. It is not known of
// a node that is not connected.
func (d *Dispatcher) Trouble(nodeID string) (trouble wire.Trouble, known bool) {
	t, err := d.current()
	if err != nil {
		return wire.Trouble{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, known := t.sessions[nodeID]
	if known {
		trouble = s.trouble
	}
	return trouble, known
}

func (d *Dispatcher) setTerm(t *term) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.term = t
}

func (d *Dispatcher) current() (*term, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.term == nil {
		managers, _ := d.Managers()
		return nil, notLeader(managers)
	}
	return d.term, nil
}

// notLeader says who leads, as far as it is known.
func notLeader(managers []wire.Manager) error {
	if addr := leaderOf(managers); addr != "" {
		return wire.Errorf(wire.NotLeader, "this manager does not lead the cluster: the one at %s does", addr)
	}
	return wire.Errorf(wire.NotLeader, "this manager does not lead the cluster, and knows of none that does")
}

// leaderOf is the address of the leader, empty when none is known.
func leaderOf(managers []wire.Manager) string {
	for _, m := range managers {
		if m.Leader {
			return m.Addr
		}
	}
	return ""
}

// opened finds the session that a call belongs to. A node has no say in another
// one's session, whatever it has learned of it.
func (d *Dispatcher) opened(ctx context.Context, sessionID string) (*term, *session, error) {
	t, err := d.current()
	if err != nil {
		return nil, nil, err
	}
	s, err := t.opened(sessionID)
	if err != nil {
		return nil, nil, err
	}
	if peer, known := wire.Peer(ctx); !known || peer.NodeID != s.nodeID {
		return nil, nil, wire.Errorf(wire.PermissionDenied, "session %s is another node's", sessionID)
	}
	return t, s, nil
}
