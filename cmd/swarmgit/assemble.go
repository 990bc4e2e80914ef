package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// nodeConfig says how the node of this process is made.
type nodeConfig struct {
	dataDir    string // absolute
	listen     string // address of the node port, used while the node is a manager
	advertise  string // where others reach that port; empty is found out
	http       string // address for people; its port may be 0
	socket     string
	executor   string // "auto", "containerd" or "process"; empty is auto
	containerd string // "managed" or a socket
	labels     map[string]string
	begin      beginning // of a node that is none yet
	supervisor supervisor
	log        *slog.Logger
	out        io.Writer // for whoever makes a cluster or joins one: what came of it; nil is nobody
}

// node is a worker, and a manager while its certificate says so, in one process.
type node struct {
	cfg      nodeConfig
	lock     *os.File
	identity *identity.Identity
	logs     nodeLogs
	engine   engine
	agent    *agent.Agent
	people   net.Listener  // Git and the API
	local    net.Listener  // the daemon's own socket
	changed  chan struct{} // readable when the role may have changed
	renewed  chan struct{} // readable when the certificate has
	leaving  leaving
	settled  chan struct{}          // closed once the node is what it is to be for the first time
	barred   atomic.Pointer[string] // why the node is no manager though its certificate says so; nil is nothing

	mu      sync.RWMutex
	manager *manager // nil while the node is a worker only
}

// openNode takes the data directory, makes the machine a node if it is none, and
// opens everything in it. Nothing is served until run; close gives everything
// back but what must outlive the daemon.
func openNode(ctx context.Context, cfg nodeConfig) (_ *node, err error) {
	n := &node{
		cfg: cfg, changed: make(chan struct{}, 1), renewed: make(chan struct{}, 1), settled: make(chan struct{}), leaving: newLeaving(),
	}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if err := requireLoopback(cfg.http); err != nil {
		return nil, err
	}
	if err := n.takeDataDir(); err != nil {
		return nil, err
	}
	if n.people, err = listenTCP("--http", cfg.http); err != nil {
		return nil, err
	}
	if n.local, err = listenSocket(cfg.socket); err != nil {
		return nil, err
	}
	if n.identity, err = n.identify(ctx); err != nil {
		return nil, err
	}
	return n, n.openWorker(ctx)
}

// id is the node's ID.
func (n *node) id() string { return n.identity.Credentials().Self().NodeID }

// openWorker brings up the log keeper, the executor and the agent.
func (n *node) openWorker(ctx context.Context) error {
	var err error
	n.logs = newNodeLogs(n.cfg.dataDir, n.cfg.log)
	if n.engine, err = openEngine(ctx, n.cfg, n.logs); err != nil {
		return err
	}
	config := agent.Config{
		NodeID: n.id(), Dir: n.path("agent"), Executor: n.engine, Files: secretsDir(n.cfg.dataDir), Logs: n.logs, Log: n.cfg.log,
		Dial: n.identity.Credentials().Dial, Managers: n.cfg.begin.join, Local: n.ownManagers, Told: n.told, Trouble: n.trouble, Renewed: n.renewed, Describe: n.describe,
	}
	if n.engine.containers != nil {
		config.Collect = n.engine.containers.Collect
	}
	n.agent = agent.New(config)
	return nil
}

// path is a place in the data directory.
func (n *node) path(name string) string { return filepath.Join(n.cfg.dataDir, name) }

// describe is what the executor says of the node, the operator's labels, and what
// this release understands.
func (n *node) describe(ctx context.Context) (specs.NodeDescription, error) {
	d, err := n.engine.Describe(ctx)
	d.Format = consensus.Newest
	if len(n.cfg.labels) > 0 {
		d.EngineLabels = maps.Clone(n.cfg.labels)
	}
	return d, err
}

// call connects to the manager at addr, for calls.
func (n *node) call(ctx context.Context, addr string) (net.Conn, error) {
	return n.identity.Credentials().Dial(ctx, addr, wire.Calls)
}

// connect returns a client of a manager, the leader if it is known. A leader asks
// itself, within the process: its own certificate may have run out.
func (n *node) connect(context.Context) (*wire.Client, error) {
	if m := n.managing(); m != nil && m.Leader() == n.id() {
		return wire.NewClient(m.pipe.AsNode(n.identity.Shown)), nil
	}
	known := n.agent.Known()
	if len(known) == 0 {
		return nil, errors.New("no manager is known")
	}
	at := slices.IndexFunc(known, func(m wire.Manager) bool { return m.Leader })
	if at < 0 {
		at = rand.IntN(len(known))
	}
	return n.identity.Credentials().Client(known[at].Addr), nil
}

// ownManagers is what the manager of this process knows of the managers.
func (n *node) ownManagers() []wire.Manager {
	if m := n.managing(); m != nil {
		return m.Whereabouts()
	}
	return nil
}

// trouble is what the operator should know of this node.
func (n *node) trouble() wire.Trouble {
	if m := n.managing(); m != nil {
		return wire.Trouble{Node: n.identity.Trouble(), Disk: m.DiskTrouble()}
	}
	if words := n.barred.Load(); words != nil {
		return wire.Trouble{Node: *words}
	}
	return wire.Trouble{Node: n.identity.Trouble()}
}

// told hears what a manager wants of this node's certificate.
func (n *node) told(m wire.Place) { n.identity.Expect(m.Role, specs.Hash(m.Renew)) }

// managing is the manager of this process, nil while the node is none.
func (n *node) managing() *manager {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.manager
}

// run serves until the context ends, or until the node has left its cluster: errLeft.
// Containers, the private containerd and the log keeper go on after it.
func (n *node) run(until context.Context) error {
	g, ctx := errgroup.WithContext(until)
	if n.engine.run != nil {
		g.Go(func() error { return n.engine.run(ctx) })
	}
	if n.engine.containers != nil {
		g.Go(func() error { return n.engine.containers.Watch(ctx) })
	}
	g.Go(func() error { return n.logs.Run(ctx) })
	g.Go(func() error { return n.renewal().Run(ctx) })
	g.Go(func() error { return n.office(ctx) })
	g.Go(func() error { return n.agent.Run(ctx) })
	g.Go(func() error { return n.leave(ctx) })
	g.Go(func() error { return n.report(ctx, n.cfg.supervisor) })
	g.Go(func() error { return n.serve(ctx, n.people, n.servePeople) })
	g.Go(func() error { return n.serve(ctx, n.local, n.ownerMux().ServeHTTP) })
	n.cfg.log.InfoContext(ctx, "swarmgit is up", "node", n.id(), "http", n.people.Addr().String(), "socket", n.cfg.socket)
	return meant(until, g.Wait())
}

// meant is how what was to go on until ctx ended has ended: cleanly, if it was
// canceled with ctx.
func meant(ctx context.Context, err error) error {
	switch {
	case !errors.Is(err, context.Canceled):
		return err
	case ctx.Err() != nil:
		return nil
	}
	return fmt.Errorf("a part of the daemon has given up, and nobody told it to: %w", err)
}

// serve answers what comes in by l until ctx ends. Who asks a manager that is
// still opening its data waits for it.
func (n *node) serve(ctx context.Context, l net.Listener, answer http.HandlerFunc) error {
	select {
	case <-n.settled:
	case <-ctx.Done():
	}
	return wire.Serve(ctx, l, answer)
}

// renewal keeps the node's certificate good.
func (n *node) renewal() *identity.Renewal {
	return &identity.Renewal{
		Identity: n.identity, Log: n.cfg.log,
		Connect: n.connect,
		Renewed: func(wire.Identity) {
			nudge(n.changed)
			nudge(n.renewed)
		},
	}
}

// nudge says "look again" to a channel of capacity one.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (n *node) close() {
	for _, l := range []net.Listener{n.people, n.local} {
		if l != nil {
			_ = l.Close() // it is closed already when run has run
		}
	}
	if n.engine.close != nil {
		_ = n.engine.close() // a connection that is given up anyway
	}
	if n.lock != nil {
		_ = n.lock.Close() // gives up the lock
	}
}

// takeDataDir makes the data directory and locks it against a second daemon.
func (n *node) takeDataDir() (err error) {
	if err := os.MkdirAll(n.cfg.dataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	n.lock, err = lockDataDir(n.cfg.dataDir)
	return err
}
