package main

import (
	"context"
	"crypto/tls"
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
	mayWait := false
	for ctx.Err() == nil {
		if n.role() == specs.Manager {
			mayWait = mayWait || n.mayWait()
			m, err := n.openManager(ctx)
			if err != nil && mayWait && !errors.Is(err, reconciler.ErrRemoved) {
				settle()
				n.postpone(ctx, err)
				continue
			}
			if err == nil {
				mayWait = false
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
		n.barred.Store(nil)
		// A manager that is none any more forgets what it knew, also if it was
		// killed before it had.
		if err := errors.Join(mounts.RemoveAll(n.path("raft")), mounts.RemoveAll(n.path("git"))); err != nil {
			return fmt.Errorf("forget what this node knew as a manager: %w", err)
		}
		settle()
		select {
		case <-n.changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// mayWait reports that this node goes on as a worker for as long as it cannot be the
// manager that it was made: its tasks would else be replaced for a port that is in
// use. One that has been a manager here, or is one from its first start on, ends: who
// starts it reads why.
func (n *node) mayWait() bool {
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

// openPause is between two tries of a promoted node to be a manager.
const openPause = 5 * time.Second

// postpone waits before a node that was promoted tries again to be a manager. Its
// tasks need the daemon meanwhile.
func (n *node) postpone(ctx context.Context, why error) {
	words := "this node is to be a manager and cannot be one yet: " + why.Error()
	if before := n.barred.Swap(&words); before == nil || *before != words {
		n.cfg.log.ErrorContext(ctx, "this node is to be a manager and cannot be one yet; trying again", "err", why)
	}
	again := time.NewTimer(openPause)
	defer again.Stop()
	select {
	case <-n.changed:
	case <-again.C:
	case <-ctx.Done():
	}
}

func (n *node) role() specs.Role { return n.identity.Credentials().Self().Role }

// manage is one time as a manager: until the certificate says worker, or ctx
// ends. opened is called once it can be asked.
func (n *node) manage(ctx context.Context, m *manager, opened func()) error {
	n.barred.Store(nil)
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

// wall is the wall clock of managers; nil is time.Now. Tests have it jump.
var wall func() time.Time

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
		Dial: n.call, Wall: wall,
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

func (r raftNetwork) Dial(ctx context.Context, id, addr string) (net.Conn, error) {
	conn, err := r.credentials.Dial(ctx, addr, wire.Raft)
	if err != nil {
		return nil, err
	}
	there, err := wire.IdentityOf(conn.(*tls.Conn).ConnectionState().PeerCertificates[0])
	if err == nil && there.NodeID != id {
		err = fmt.Errorf("node %s answers at %s, and not %s", there.NodeID, addr, id)
	}
	if err != nil {
		_ = conn.Close() // nothing was said on it
		return nil, err
	}
	return conn, nil
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

// elsewhere says why this node does not answer for the cluster. A worker without a
// manager asks whether it was removed.
func (n *node) elsewhere(ctx context.Context) string {
	if words := n.barred.Load(); words != nil {
		return *words
	}
	var addrs []string
	for _, m := range n.agent.Known() {
		addrs = append(addrs, m.Addr)
	}
	if !n.agent.Connected() {
		for addr, reply := range n.identity.Credentials().Standings(ctx, addrs) {
			if reply.Removed {
				return fmt.Sprintf("%v, as the manager at %s says: ", reconciler.ErrRemoved, addr) + wayBack("swarmgit leave")
			}
		}
	}
	return api.AskManagers(addrs)
}

// expel notes that this node is a manager of nothing. It goes on as a node, for
// its tasks, until somebody has it leave.
func (n *node) expel(ctx context.Context, why error) {
	words := why.Error() + ": " + wayBack("swarmgit leave --force")
	n.cfg.log.ErrorContext(ctx, "this manager is none any more", "err", words)
	n.barred.Store(&words)
}

// wayBack tells who looks at a node that was removed what to do there.
func wayBack(leave string) string {
	return fmt.Sprintf(`what runs here goes on, and nobody looks after it: end it with "%s", `+
		`then join the cluster again with what "swarmgit join-token" prints there`, leave)
}
