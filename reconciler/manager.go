package reconciler

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/dispatcher"
	"github.com/swarmgit/swarmgit/reconciler/events"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/logs"
	"github.com/swarmgit/swarmgit/reconciler/metrics"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Config is what a manager needs of the process that runs it.
type Config struct {
	Dir     string // of the manager's data
	NodeID  string // of the node on which it runs
	HTTP    string // address that people reach, "127.0.0.1:2378"
	Images  api.Images
	Needed  func(context.Context) ([]string, error) // see api.Server
	Version string
	Log     *slog.Logger

	// Lookup is an images.Lookup that opens the registry by a login, which may be
	// none. Nil leaves tags alone.
	Lookup func(ctx context.Context, image string, login specs.Login) (digest string, err error)
	// TryLogin asks a registry whether a login opens it. Its error is for people.
	TryLogin func(ctx context.Context, host string, login specs.Login) error

	First       *First                // what the cluster begins with, for the manager that makes it
	Network     consensus.Network     // to the other managers; nil for a cluster of one
	Dial        Dial                  // for calls to them
	Credentials *wire.Credentials     // of this node; nil in a cluster without certificates
	Known       func() []wire.Manager // where this node has heard of managers

	// Memory is where Raft writes instead of the disk, for tests. Such a manager
	// has no repository either: pushes reach it by Check, and it serves no Git.
	Memory *consensus.Memory

	// Wall is the wall clock, for tests; nil is time.Now.
	Wall func() time.Time
}

// Dial opens a connection to another manager, for calls in the name of this node.
type Dial func(ctx context.Context, addr string) (net.Conn, error)

// Manager is one manager of the cluster.
type Manager struct {
	cfg        Config
	log        *slog.Logger
	store      *store.Store
	raft       *consensus.Consensus
	dispatcher *dispatcher.Dispatcher
	authority  *ca.Server
	renewals   *renewals
	repository *git.Repository // nil with Config.Memory
	loader     *schema.Loader
	joiner     *logs.Joiner
	metrics    *metrics.Metrics
	tokens     *tokens
	events     events.Record
	followers  followers                  // of the outside sources, while this manager leads
	reading    func(specs.Source) reading // opens one
	calls      *calls
	answers    http.Handler      // to people, of this manager itself
	others     func() []git.Peer // the other managers as the repository calls them
	leading    office
	newcomers  newcomers              // while this manager leads
	hindrance  atomic.Pointer[string] // why this manager has no vote yet; nil while nothing is known
	format     atomic.Int64           // of entries: the newest that every manager reads; 0 is the oldest
	opened     time.Time
	ready      chan struct{} // closed when this manager leads for the first time
	started    sync.Once
}

// New opens the manager's data; Close gives it back. Nothing is decided until
// Run runs. ErrRemoved says that it is no part of the cluster any more, here or
// by Run.
func New(ctx context.Context, cfg Config) (*Manager, error) {
	m := &Manager{cfg: cfg, log: cfg.Log, store: store.New(), loader: schema.NewLoader(), tokens: newTokens(), opened: time.Now(), ready: make(chan struct{})}
	m.renewals = newRenewals(m.store)
	m.metrics = metrics.New(cfg.Version, gauges{m})
	var err error
	m.raft, err = consensus.Open(consensus.Config{
		Dir: filepath.Join(cfg.Dir, "raft"), NodeID: cfg.NodeID, Store: m.store, Bootstrap: cfg.First != nil,
		Network: cfg.Network, Memory: cfg.Memory, Log: cfg.Log, Wall: cfg.Wall,
		Format:   func() int { return int(m.format.Load()) },
		Proposed: m.proposed, Committed: m.metrics.Commit,
		Room: func(nodeID string) (has, known bool) {
			trouble, known := m.dispatcher.Trouble(nodeID)
			return trouble.Disk == "", known
		},
		MayBegin: func(others []consensus.Member) error { return m.mayBegin(ctx, others) },
	})
	if errors.Is(err, ErrRemoved) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("open the cluster's state in %s: %w", cfg.Dir, err)
	}
	if cfg.Memory == nil {
		if m.repository, err = git.Open(ctx, filepath.Join(cfg.Dir, "git")); err != nil {
			return nil, errors.Join(err, m.raft.Close())
		}
	}
	m.dispatcher = dispatcher.New(dispatcher.Config{
		Store: m.store, Propose: m.raft, Confirm: m.raft.Confirm, Now: m.raft.Now, Log: cfg.Log, Managers: m.whereabouts, Renew: m.renewals.of, Content: m.content, Login: m.login,
	})
	m.authority = m.newAuthority()
	m.calls, m.others, m.reading = newCalls(cfg.Dial), m.peers, m.readOutside
	if cfg.Credentials != nil {
		cfg.Credentials.Refuse(m.authority.Refuse)
	}
	m.joiner = &logs.Joiner{Nodes: m.dispatcher, Watch: m.store.Watch}
	m.answers = api.Turns(m.people())
	return m, nil
}

// Close gives the manager's data back.
func (m *Manager) Close() error {
	m.calls.close()
	if m.repository != nil {
		m.repository.Close()
	}
	return m.raft.Close()
}

// Run leads when it is this manager's turn, until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.raft.Run(ctx) })
	if m.repository != nil {
		g.Go(func() error { return m.repository.Run(ctx) })
		g.Go(func() error { return m.keepRepository(ctx) })
	}
	g.Go(func() error { return m.lead(ctx) })
	g.Go(func() error { return m.takePart(ctx) })
	g.Go(func() error { return m.keepStanding(ctx) })
	g.Go(func() error { return m.keepEvents(ctx) })
	g.Go(func() error { return m.keepTokens(ctx) })
	return g.Wait()
}

// lead runs a term whenever this manager is the leader. A term that fails for
// another reason than the loss of office is begun again after a pause: what
// runs goes on meanwhile.
func (m *Manager) lead(ctx context.Context) error {
	for {
		term, err := m.raft.Leading(ctx)
		if err != nil {
			return ctx.Err() // nil when closed
		}
		if err := m.term(term); err != nil && term.Err() == nil {
			m.log.ErrorContext(ctx, "a term of leadership ended early and begins again", "err", err)
			_ = bell.Sleep(ctx, termPause)
		}
	}
}

// termPause keeps a term that cannot begin from spinning.
const termPause = time.Second

// term does what only the leader does, until ctx ends with the leadership.
func (m *Manager) term(ctx context.Context) error {
	if err := m.bootstrap(ctx); err != nil {
		return err
	}
	m.syncRepository(ctx)
	m.leading.Store(true)
	defer m.leading.Store(false)
	m.started.Do(func() { close(m.ready) })
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.loop(ctx) })
	g.Go(func() error { return m.dispatcher.Run(ctx) })
	g.Go(func() error { return m.authority.Run(ctx) })
	g.Go(func() error { return m.roles(ctx) })
	g.Go(func() error { return m.followSources(ctx) })
	return g.Wait()
}

// RegisterNodes serves the calls of nodes and of other managers. Who mounts
// it authorizes them, see wire.Authorize.
func (m *Manager) RegisterNodes(mux *http.ServeMux) {
	m.dispatcher.Register(mux)
	m.authority.Register(mux)
	wire.JoinManagers.Serve(mux, m.join)
	wire.Leave.Serve(mux, m.left)
	if m.repository != nil {
		m.repository.RegisterManagers(mux)
	}
	mux.Handle(api.ForwardedPath+"/", api.Forwarded(m.answers, m.leads))
}

// ServeSessions answers the nodes that connect by l for their sessions, until ctx
// ends. Then it closes l.
func (m *Manager) ServeSessions(ctx context.Context, l net.Listener) error {
	return m.dispatcher.ServeSessions(ctx, l)
}

// People answers Git and the control API, or has the leader answer. Over HTTP,
// who serves it asks for tokens: see api.Guard and TokenOf.
func (m *Manager) People() http.Handler { return api.Forward(m.answers, m.leader) }

// people is what this manager answers itself.
func (m *Manager) people() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(git.Path+"/", &git.Server{Repository: m.repository, Cluster: m, PackLimit: m.packLimit, Log: m.log})
	mux.HandleFunc("GET /healthz", m.healthz)
	mux.Handle("GET "+api.MetricsPath, m.metrics.Handler())
	mux.HandleFunc("POST "+api.WebhookPath+"{name}", m.webhook)
	m.api().Register(mux)
	return mux
}

func (m *Manager) api() *api.Server {
	return &api.Server{
		Cluster: m, Nodes: m, Logs: m, Commands: m, Workloads: m, Sources: sources{m}, Restarts: m, Events: &m.events, Authority: authority{m.authority, m}, Keys: m, Registries: m,
		Images: m.cfg.Images, Needed: m.cfg.Needed, Self: m.cfg.NodeID, Version: m.cfg.Version, Now: m.raft.Now,
	}
}

// readyPatience is how long a person waits for a manager that is starting.
const readyPatience = 10 * time.Second

// Ready waits until the store holds what was committed before this manager
// started: until its first term. Raft does not say on disk how much of the log is
// agreed on, so where nobody leads a manager that was started since has nothing that
// it could answer with, or what was true long ago.
func (m *Manager) Ready(ctx context.Context) error {
	select {
	case <-m.ready:
		return nil
	default:
	}
	if why := m.hindrance.Load(); why != nil && len(m.members()) < 2 {
		return wire.Errorf(wire.Unavailable, "this manager does not take part yet: %s", *why)
	}
	patience := time.NewTimer(readyPatience)
	defer patience.Stop()
	for waiting := true; waiting; {
		changed := m.raft.Changed()
		select {
		case <-m.ready:
			return nil
		case <-m.leaderless():
			return m.unread()
		case <-changed:
		case <-patience.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	switch id, _ := m.raft.Leader(); {
	case len(m.members()) < 2:
	case id == "":
		return m.unread()
	default:
		return nil
	}
	if trouble := m.DiskTrouble(); trouble != "" {
		return wire.Errorf(wire.Unavailable, "the manager does not lead yet: %s", trouble)
	}
	return wire.Errorf(wire.Unavailable, "the manager is still reading its data: ask again in a moment, or see the daemon's log")
}

// unread says why this manager knows nothing of the cluster.
func (m *Manager) unread() error {
	var others []string
	for _, member := range m.members() {
		if member.ID != m.cfg.NodeID {
			others = append(others, member.Address)
		}
	}
	words := "no manager leads, and this one was started since: it knows again what the cluster holds once one leads: start the daemons of the others: " + strings.Join(others, ", ")
	if m.Leaderless() >= api.LongLeaderless {
		words += "; " + api.WayBack
	}
	return wire.Errorf(wire.Unavailable, "%s", words)
}

// leaderless fires when no more is to be hoped for, unless somebody leads.
func (m *Manager) leaderless() <-chan time.Time {
	if id, _ := m.raft.Leader(); id != "" || len(m.members()) < 2 {
		return nil
	}
	return time.After(time.Until(m.opened.Add(api.ElectionPatience)))
}

func (m *Manager) healthz(w http.ResponseWriter, _ *http.Request) {
	if m.Leader() == "" {
		http.Error(w, "no leader", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (m *Manager) packLimit() specs.Bytes { return m.store.Snapshot().Cluster().Spec.PackLimit }

// Now is the time by which the cluster's rules decide.
func (m *Manager) Now() time.Time { return m.raft.Now() }

// Snapshot is the newest state.
func (m *Manager) Snapshot() store.Snapshot { return m.store.Snapshot() }

// Heard reports whether the leader knows how the node is.
func (m *Manager) Heard(nodeID string) bool { return !m.dispatcher.Heard(nodeID).IsZero() }

// Trouble is what the operator should know of a node, as the node says or as this
// manager finds while it leads.
func (m *Manager) Trouble(nodeID string) wire.Trouble {
	trouble, _ := m.dispatcher.Trouble(nodeID)
	trouble.Node = cmp.Or(trouble.Node, m.hindered(nodeID))
	return trouble
}

// DiskTrouble says why nothing can be written here, "" when it can.
func (m *Manager) DiskTrouble() string {
	if err := m.raft.DiskTrouble(); err != nil {
		return err.Error()
	}
	return ""
}

// Logs joins the logs of tasks, wherever they run.
func (m *Manager) Logs(ctx context.Context, pick func(store.Snapshot) []specs.Task, req api.LogsRequest, send func(api.LogsReply) error) error {
	wanted := logs.Request{Follow: req.Follow, Tail: req.Tail, Since: req.Since}
	deliver := func(b logs.Batch) error {
		reply := api.LogsReply{Err: b.Err, Lines: make([]api.LogLine, len(b.Lines))}
		for i, line := range b.Lines {
			reply.Lines[i] = api.LogLine(line)
		}
		return send(reply)
	}
	if req.Follow {
		return m.joiner.Follow(ctx, pick, wanted, deliver)
	}
	return m.joiner.Join(ctx, pick(m.store.Snapshot()), wanted, deliver)
}

// Exec runs a command in a task, on the task's node. Its arguments are in no log:
// they may hold a secret.
func (m *Manager) Exec(ctx context.Context, task specs.Task, c wire.ExecCommand, in func() (wire.ExecInput, error), out func(wire.ExecOutput) error) error {
	m.cfg.Log.InfoContext(ctx, "a command is run in a task", "task", task.ID, "name", task.Name(), "node", task.Want.Node,
		"program", c.Args[0], "user", c.User, "by", asker(ctx))
	return m.dispatcher.Exec(ctx, task.Want.Node, wire.ExecRequest{TaskID: task.ID, Command: c}, in, out)
}

// asker is who asks, and the manager that passed it on, if one did.
func asker(ctx context.Context) string {
	who := cmp.Or(api.Asker(ctx), "the daemon's socket")
	if peer, known := wire.Peer(ctx); known {
		who += ", by manager " + peer.NodeID
	}
	return who
}

// newID draws the ID of a new object.
func newID() string { return specs.NewID(rand.Reader) }

// clusterKey draws the key under which secret values are hashed for display.
func clusterKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, by its contract
	return key
}
