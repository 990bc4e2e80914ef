package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler"
	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// nodeConfig says how a node of this process is made.
type nodeConfig struct {
	dataDir    string
	http       string // address; its port may be 0
	socket     string
	containerd string // "managed" or a socket
	labels     map[string]string
	cluster    string
	log        *slog.Logger
}

// node is a manager and a worker in one process, joined by a pipe: no port is
// open between nodes before nodes have certificates.
type node struct {
	cfg     nodeConfig
	id      string
	lock    *os.File
	logs    nodeLogs
	managed *containerd.Managed // nil when somebody else's containerd is used
	engine  *containerd.Engine
	manager *reconciler.Manager
	agent   *agent.Agent
	pipe    *wire.Pipe
	people  net.Listener // Git and the API
	local   net.Listener // the daemon's own socket
}

// openNode takes the data directory and opens everything in it. Nothing is
// served until run; close gives everything back but what must outlive the
// daemon.
func openNode(ctx context.Context, cfg nodeConfig) (_ *node, err error) {
	n := &node{cfg: cfg, pipe: wire.NewPipe()}
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
	if n.people, err = listenTCP(cfg.http); err != nil {
		return nil, err
	}
	if n.local, err = listenSocket(cfg.socket); err != nil {
		return nil, err
	}
	if err := n.openWorker(ctx); err != nil {
		return nil, err
	}
	n.manager, err = reconciler.New(ctx, reconciler.Config{
		Dir: cfg.dataDir, NodeID: n.id, ClusterName: cfg.cluster,
		HTTP: n.people.Addr().String(), Log: cfg.log, Images: images{n.engine}, Version: version,
	})
	return n, err
}

// openWorker brings up the log keeper, the executor and the agent.
func (n *node) openWorker(ctx context.Context) error {
	var err error
	n.logs = newNodeLogs(n.cfg.dataDir, n.cfg.log)
	engine := containerd.Config{Socket: n.cfg.containerd, Dir: filepath.Join(n.cfg.dataDir, "executor"), Log: n.cfg.log}
	if n.cfg.containerd == "managed" {
		if n.managed, err = containerd.NewManaged(containerd.ManagedConfig{DataDir: n.cfg.dataDir, Log: n.cfg.log}); err != nil {
			return err
		}
		if err := n.managed.Start(ctx); err != nil {
			return err
		}
		engine = n.managed.EngineConfig()
	}
	engine.Logs = n.logs
	if n.engine, err = containerd.Open(ctx, engine); err != nil {
		return err
	}
	n.agent = agent.New(agent.Config{
		NodeID: n.id, Dir: filepath.Join(n.cfg.dataDir, "agent"), Executor: n.engine, Logs: n.logs, Log: n.cfg.log,
		Connect: func(context.Context) (*wire.Client, error) {
			return wire.NewClient(n.pipe.As(wire.Identity{NodeID: n.id, Role: specs.Manager})), nil
		},
		Describe: n.describe,
	})
	return nil
}

// describe is what the executor says of the node, and the operator's labels.
func (n *node) describe(ctx context.Context) (specs.NodeDescription, error) {
	d, err := n.engine.Describe(ctx)
	if len(n.cfg.labels) > 0 {
		d.EngineLabels = maps.Clone(n.cfg.labels)
	}
	return d, err
}

// run serves until ctx ends. Containers, the private containerd and the log
// keeper go on after it.
func (n *node) run(ctx context.Context) error {
	nodes, people, local := http.NewServeMux(), http.NewServeMux(), http.NewServeMux()
	n.manager.RegisterNodes(nodes)
	n.manager.RegisterPeople(people)
	n.manager.RegisterLocal(local)
	own, _, _ := net.SplitHostPort(n.people.Addr().String()) // a listener's address is well formed
	guarded := api.Guard(people, []string{"127.0.0.1", "localhost", "::1", own}, n.manager.Authorized)

	g, ctx := errgroup.WithContext(ctx)
	if n.managed != nil {
		g.Go(func() error { return n.managed.Run(ctx) })
	}
	g.Go(func() error { return n.logs.Run(ctx) })
	g.Go(func() error { return n.manager.Run(ctx) })
	g.Go(func() error { return wire.Serve(ctx, n.pipe, nodes) })
	g.Go(func() error { return n.agent.Run(ctx) })
	g.Go(func() error { return wire.Serve(ctx, n.people, guarded) })
	g.Go(func() error { return wire.Serve(ctx, n.local, local) })
	n.cfg.log.InfoContext(ctx, "swarmgit is up", "node", n.id, "http", n.people.Addr().String(), "socket", n.cfg.socket)
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (n *node) close() {
	for _, l := range []net.Listener{n.people, n.local} {
		if l != nil {
			_ = l.Close() // it is closed already when run has run
		}
	}
	if n.manager != nil {
		if err := n.manager.Close(); err != nil {
			n.cfg.log.Error("close the cluster's state", "err", err)
		}
	}
	if n.engine != nil {
		_ = n.engine.Close() // a connection that is given up anyway
	}
	if n.lock != nil {
		_ = n.lock.Close() // gives up the lock
	}
}

// takeDataDir makes the data directory, locks it against a second daemon, and
// reads or draws the node's ID.
func (n *node) takeDataDir() error {
	dir := n.cfg.dataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	var err error
	if n.lock, err = lockDataDir(dir); err != nil {
		return err
	}
	n.id, err = nodeID(filepath.Join(dir, "node-id"))
	return err
}

// lockDataDir keeps others out of the directory until the file is closed.
func lockDataDir(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close() // nothing was written
		return nil, fmt.Errorf("the data directory %s is in use by another daemon: stop that one, or give another --data-dir", dir)
	}
	return lock, nil
}

// nodeID is the identity of the node in this data directory.
func nodeID(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		if id := strings.TrimSpace(string(data)); len(id) == specs.IDLength {
			return id, nil
		}
		return "", fmt.Errorf("%s does not hold a node ID: it was damaged; restore it from the name in \"swarmgit node ls\" of another manager", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the node's ID: %w", err)
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails, by its contract
	id := specs.ID(random)
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the node's ID: %w", err)
	}
	return id, nil
}

// images gives the control API the executor's images.
type images struct{ engine *containerd.Engine }

func (i images) Load(ctx context.Context, archive io.Reader) ([]api.Image, error) {
	loaded, err := i.engine.Load(ctx, archive)
	return imageViews(loaded), err
}

func (i images) List(ctx context.Context) ([]api.Image, error) {
	found, err := i.engine.Images(ctx)
	return imageViews(found), err
}

func imageViews(found []containerd.Image) []api.Image {
	views := make([]api.Image, len(found))
	for i, image := range found {
		views[i] = api.Image{Name: image.Name, Digest: image.Digest, Size: specs.Bytes(image.Size), Created: image.Created}
	}
	return views
}
