package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler"
	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/runtime/mounts"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// manager is this node's part as a manager.
type manager struct {
	*reconciler.Manager
	address string // where other nodes reach it
	port    *wire.Port
	pipe    *wire.Pipe   // to itself
	local   http.Handler // for the owner of the daemon
	people  http.Handler // for who has a token
}

// office is a manager whenever the node's certificate says so, until ctx ends.
func (n *node) office(ctx context.Context) error {
	settle := sync.OnceFunc(func() { close(n.settled) })
	mayLack := false
	for ctx.Err() == nil {
		if n.role() == specs.Manager {
			mayLack = mayLack || n.mayLack()
			m, err := n.openManager(ctx)
			if err != nil && mayLack && !errors.Is(err, reconciler.ErrRemoved) {
				settle()
				n.lack(ctx, err)
				continue
			}
			if err == nil {
				mayLack = false
				err = n.manage(ctx, m, settle)
			}
			if errors.Is(err, reconciler.ErrRemoved) {
				n.expel(ctx, err)
				settle()
				<-ctx.Done()
				return nil
			}
			if err != nil {
				return err
			}
			continue
		}
		// A manager that is none any more forgets what it knew, also if it was
		// killed before it had.
		if err := errors.Join(mounts.RemoveAll(n.path("raft")), mounts.RemoveAll(n.path("git"))); err != nil {
			return fmt.Errorf("forget what this node knew as a manager: %w", err)
		}
		n.lacking.Store(nil)
		settle()
		select {
		case <-n.changed:
		case <-ctx.Done():
		}
	}
	return nil
}

func (n *node) role() specs.Role { return n.identity.Credentials().Self().Role }

// mayLack reports that this node goes on as a worker if it cannot be the manager
// that it was made: its tasks would else be replaced for a port that is in use. One
// that has been a manager here, or is one from its first start on, ends: who starts
// it reads why.
func (n *node) mayLack() bool {
	select {
	case <-n.settled:
	default:
		if len(n.cfg.begin.join) > 0 {
			return false
		}
	}
	for _, path := range []string{n.path("raft"), firstPath(n.cfg.dataDir)} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return false
		}
	}
	return true
}

// lackPause is how often a node tries again to be the manager that it is to be.
const lackPause = 10 * time.Second

// lack tells why this node is not the manager that it is to be, and returns when that
// is to be tried again.
func (n *node) lack(ctx context.Context, why error) {
	words := fmt.Sprintf("it cannot be the manager that it is to be: %v", why)
	if old := n.lacking.Swap(&words); old == nil || *old != words {
		n.cfg.log.ErrorContext(ctx, "this node goes on as a worker", "err", words)
	}
	select {
	case <-n.changed:
	case <-time.After(lackPause):
	case <-ctx.Done():
	}
}

// manage is one time as a manager: until the certificate says worker, or ctx
// ends. opened is called once it can be asked.
func (n *node) manage(ctx context.Context, m *manager, opened func()) error {
	n.lacking.Store(nil)
	n.setManager(m)
	defer n.setManager(nil)
	opened()
	until, stop := context.WithCancel(ctx)
	defer stop()
	g, serving := errgroup.WithContext(until)
	nodes := http.NewServeMux()
	m.RegisterNodes(nodes)
	g.Go(func() error { return m.Run(serving) })
	g.Go(func() error { return m.port.Run(serving) })
	g.Go(func() error { return wire.Serve(serving, m.port.Listener(wire.Calls), wire.Authorize(nodes)) })
	g.Go(func() error { return wire.Serve(serving, m.pipe, wire.Authorize(nodes)) })
	g.Go(func() error { return m.ServeSessions(serving, m.port.Listener(wire.Sessions)) })
	g.Go(func() error { return n.forgetFirst(serving, m) })
	g.Go(func() error {
		if n.awaitDemotion(serving) {
			stop()
		}
		return nil
	})
	err := meant(until, g.Wait())
	if closed := m.Close(); err == nil {
		err = closed
	}
	if err == nil && n.role() != specs.Manager {
		n.cfg.log.InfoContext(ctx, "this node is a worker from now on")
	}
	return err
}

// awaitDemotion reports that the node is no manager any more, or that ctx has ended
// before.
func (n *node) awaitDemotion(ctx context.Context) bool {
	for n.role() == specs.Manager {
		select {
		case <-n.changed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// openManager opens the node port and the manager's data.
func (n *node) openManager(ctx context.Context) (_ *manager, err error) {
	credentials := n.identity.Credentials()
	l, err := listenTCP("--listen", n.cfg.listen)
	if err != nil {
		return nil, err
	}
	m := &manager{port: wire.NewPort(l, credentials, n.cfg.log), pipe: wire.NewPipe()}
	defer func() {
		if err != nil {
			m.port.Close()
		}
	}()
	if m.address, err = advertised(n.cfg.advertise, l.Addr(), ownAddr); err != nil {
		return nil, err
	}
	first, err := readFirst(firstPath(n.cfg.dataDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	config := reconciler.Config{
		Dir: n.cfg.dataDir, NodeID: n.id(), HTTP: n.people.Addr().String(), Images: n.engine.images(), Needed: n.agent.NeededImages, TryLogin: containerd.TryLogin, Version: version, Log: n.cfg.log,
		First: first, Network: raftNetwork{m.port.Listener(wire.Raft), credentials, m.address},
		Credentials: credentials, Known: n.agent.Known,
		Dial: n.call,
	}
	if n.engine.containers != nil {
		config.Lookup = containerd.Digest
	}
	if m.Manager, err = reconciler.New(ctx, config); err != nil {
		return nil, err
	}
	if first != nil && n.cfg.out != nil {
		welcome(n.cfg.out, first, m.address)
	}
	own, _, _ := net.SplitHostPort(n.people.Addr().String()) // a listener's address is well formed
	m.local = m.People()
	m.people = api.Guard(m.local, []string{"127.0.0.1", "localhost", "::1", own}, m.Manager)
	return m, nil
}

// welcome tells who made a cluster how others join it.
func welcome(w io.Writer, first *reconciler.First, addr string) {
	fmt.Fprintf(w, "The cluster %s is made; this node is its first manager.\n", first.Name)
	for _, role := range []specs.Role{specs.Worker, specs.Manager} {
		fmt.Fprintf(w, "\nTo add a %s, run on another machine:\n    sudo swarmgit daemon --join %s --token %s\n", role, addr, first.Authority.Token(role))
	}
	fmt.Fprintln(w, "\n(\"swarmgit join-token worker|manager\" prints these again.)")
}

// raftNetwork joins the managers by the node port.
type raftNetwork struct {
	net.Listener
	credentials *wire.Credentials
	address     string
}

func (r raftNetwork) Address() string { return r.address }

func (r raftNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return r.credentials.Dial(ctx, addr, wire.Raft)
}

func (n *node) setManager(m *manager) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.manager = m
}

// forgetFirst removes what the cluster began with once its managers have it.
func (n *node) forgetFirst(ctx context.Context, m *manager) error {
	for {
		snap, changed := m.Watch()
		if snap.Cluster().ID != "" {
			return n.forgetBeginning()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// servePeople answers Git and the API over HTTP. A worker knows no tokens, and
// nothing but where the managers are.
func (n *node) servePeople(w http.ResponseWriter, r *http.Request) {
	if m := n.managing(); m != nil {
		m.people.ServeHTTP(w, r)
		return
	}
	api.Elsewhere(n.elsewhere).ServeHTTP(w, r)
}

// ownerMux answers the owner of the daemon.
func (n *node) ownerMux() http.Handler {
	mux := http.NewServeMux()
	leaveCluster.Serve(mux, n.askToLeave)
	mux.HandleFunc("/", n.serveLocal)
	return mux
}

// serveLocal answers what is asked of the cluster. A worker has images too.
func (n *node) serveLocal(w http.ResponseWriter, r *http.Request) {
	if m := n.managing(); m != nil {
		m.local.ServeHTTP(w, r)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/", api.Elsewhere(n.elsewhere))
	(&api.Server{Images: n.engine.images(), Needed: n.agent.NeededImages}).RegisterOwn(mux)
	mux.ServeHTTP(w, r)
}

// elsewhere says why this node does not answer for the cluster.
func (n *node) elsewhere() string {
	if words := n.expelled.Load(); words != nil {
		return *words
	}
	var addrs []string
	for _, m := range n.agent.Known() {
		addrs = append(addrs, m.Addr)
	}
	return api.AskManagers(addrs)
}

// expel notes that this node is a manager of nothing. It goes on as a node, for
// its tasks, until somebody has it leave.
func (n *node) expel(ctx context.Context, why error) {
	words := why.Error() + `: what runs here goes on, and nobody looks after it: end it with "swarmgit leave --force", ` +
		`then join the cluster again with what "swarmgit join-token" prints there`
	n.cfg.log.ErrorContext(ctx, "this manager is none any more", "err", words)
	n.expelled.Store(&words)
}
