package dispatcher

import (
	"context"
	"log/slog"
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

// DefaultHeartbeat is how often a node says that it lives.
const DefaultHeartbeat = 5 * time.Second

// Config is what a dispatcher is made of.
type Config struct {
	Store     *store.Store
	Propose   Proposer
	Log       *slog.Logger
	Now       func() time.Time // for what is stored; nil is time.Now
	Heartbeat time.Duration    // 0 is DefaultHeartbeat
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
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	return &Dispatcher{Config: c}
}

// Register answers the nodes' procedures on mux.
func (d *Dispatcher) Register(mux *http.ServeMux) {
	wire.Session.Serve(mux, d.session)
	wire.Heartbeat.Serve(mux, d.heartbeat)
	wire.Assigned.Serve(mux, d.assigned)
	wire.Report.Serve(mux, d.report)
	wire.LogRequests.Serve(mux, d.logRequests)
	wire.PublishLogs.Serve(mux, d.publishLogs)
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

// Heard reports whether the node has been heard of since this manager leads; a
// node that has not is unknown.
func (d *Dispatcher) Heard(nodeID string) bool {
	t, err := d.current()
	return err == nil && t.heard(nodeID)
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
		return nil, wire.Errorf(wire.NotLeader, "this manager does not lead the cluster: ask another one")
	}
	return d.term, nil
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
