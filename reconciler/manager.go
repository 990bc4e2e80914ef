package reconciler

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/dispatcher"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/logs"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Config is what a manager needs of the process that runs it.
type Config struct {
	Dir         string // of the manager's data
	NodeID      string // of the node on which it runs
	ClusterName string // when this manager makes the cluster
	HTTP        string // address that people reach, "127.0.0.1:2378"
	Images      api.Images
	Version     string
	Log         *slog.Logger

	// Memory is where Raft writes instead of the disk, for tests. Such a manager
	// has no repository either: pushes reach it by Check, and it serves no Git.
	Memory *consensus.Memory
}

// Manager is one manager of the cluster.
type Manager struct {
	cfg        Config
	log        *slog.Logger
	store      *store.Store
	raft       *consensus.Consensus
	dispatcher *dispatcher.Dispatcher
	repository *git.Repository // nil with Config.Memory
	loader     *schema.Loader
	joiner     *logs.Joiner
	tokens     *tokens
	leading    atomic.Bool
	ready      chan struct{} // closed when this manager leads for the first time
	started    sync.Once
}

// New opens the manager's data; Close gives it back. Nothing is decided until
// Run runs.
func New(ctx context.Context, cfg Config) (*Manager, error) {
	m := &Manager{cfg: cfg, log: cfg.Log, store: store.New(), loader: schema.NewLoader(), tokens: newTokens(), ready: make(chan struct{})}
	var err error
	m.raft, err = consensus.Open(consensus.Config{
		Dir: filepath.Join(cfg.Dir, "raft"), NodeID: cfg.NodeID, Store: m.store, Bootstrap: true, Memory: cfg.Memory, Log: cfg.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the cluster's state in %s: %w", cfg.Dir, err)
	}
	if cfg.Memory == nil {
		if m.repository, err = git.Open(ctx, filepath.Join(cfg.Dir, "git")); err != nil {
			return nil, errors.Join(err, m.raft.Close())
		}
	}
	m.dispatcher = dispatcher.New(dispatcher.Config{Store: m.store, Propose: m.raft, Now: m.raft.Now, Log: cfg.Log})
	m.joiner = &logs.Joiner{Nodes: m.dispatcher, Watch: m.store.Watch}
	return m, nil
}

// Close gives the manager's data back.
func (m *Manager) Close() error {
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
	}
	g.Go(func() error { return m.lead(ctx) })
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
			select {
			case <-time.After(termPause):
			case <-ctx.Done():
			}
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
	m.started.Do(func() { close(m.ready) })
	defer m.leading.Store(false)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.loop(ctx) })
	g.Go(func() error { return m.dispatcher.Run(ctx) })
	return g.Wait()
}

// syncRepository makes the local refs what the store says. A repository that
// cannot be mended stops pushes, and nothing that runs.
func (m *Manager) syncRepository(ctx context.Context) {
	if m.repository == nil {
		return
	}
	if err := m.repository.Sync(ctx, m.Refs); err != nil {
		m.log.ErrorContext(ctx, "the repository is not what the cluster says; what runs goes on", "err", err)
	}
}

// RegisterNodes serves what nodes ask of a manager.
func (m *Manager) RegisterNodes(mux *http.ServeMux) { m.dispatcher.Register(mux) }

// RegisterPeople serves Git and the control API. Who mounts it asks for tokens,
// see api.Guard and Authorized.
func (m *Manager) RegisterPeople(mux *http.ServeMux) {
	mux.Handle(git.Path+"/", &git.Server{Repository: m.repository, Cluster: m, PackLimit: m.packLimit, Log: m.log})
	mux.HandleFunc("GET /healthz", m.healthz)
	m.api().Register(mux)
}

// RegisterLocal serves the control API to the owner of the daemon.
func (m *Manager) RegisterLocal(mux *http.ServeMux) { m.api().RegisterLocal(mux) }

func (m *Manager) api() *api.Server {
	return &api.Server{
		Cluster: m, Logs: m, Images: m.cfg.Images, Self: m.cfg.NodeID, Version: m.cfg.Version, Now: m.raft.Now,
	}
}

// readyPatience is how long a person waits for a manager that is starting.
const readyPatience = 10 * time.Second

// Ready waits until the store holds what was committed before this manager
// started: until its first term.
func (m *Manager) Ready(ctx context.Context) error {
	select {
	case <-m.ready:
		return nil
	case <-time.After(readyPatience):
	case <-ctx.Done():
	}
	if trouble := m.DiskTrouble(); trouble != "" {
		return wire.Errorf(wire.Unavailable, "the manager does not lead yet: %s", trouble)
	}
	return wire.Errorf(wire.Unavailable, "the manager is still reading its data: ask again in a moment, or see the daemon's log")
}

func (m *Manager) healthz(w http.ResponseWriter, _ *http.Request) {
	if !m.leading.Load() {
		http.Error(w, "no leader", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (m *Manager) packLimit() specs.Bytes { return m.store.Snapshot().Cluster().Spec.PackLimit }

// Snapshot is the newest state.
func (m *Manager) Snapshot() store.Snapshot { return m.store.Snapshot() }

// Leader is the ID of the node that leads, "" while nobody is known to.
func (m *Manager) Leader() string {
	if m.leading.Load() {
		return m.cfg.NodeID
	}
	return ""
}

// Heard reports whether the leader knows how the node is.
func (m *Manager) Heard(nodeID string) bool { return m.dispatcher.Heard(nodeID) }

// DiskTrouble says why nothing can be written, "" when it can.
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

// newID draws the ID of a new object.
func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails, by its contract
	return specs.ID(random)
}

// clusterKey draws the key under which secret values are hashed for display.
func clusterKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, by its contract
	return key
}

// patience bounds how long a person waits for an answer that Raft owes.
const patience = 10 * time.Second
