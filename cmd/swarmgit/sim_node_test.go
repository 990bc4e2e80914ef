package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler"
	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// simNode is one machine. Its engine and its disks live on while its daemon
// restarts.
type simNode struct {
	cluster *simCluster
	id      string
	dir     string
	seeds   []string // where it has joined
	engine  *executortest.Memory
	memory  *consensus.Memory // the manager's disk
	skew    atomic.Int64      // nanoseconds that the manager's wall clock goes ahead
	leave   func()            // stops the agent; nil while it is away
	dismiss func()            // stops the manager; nil while there is none

	mu      sync.Mutex
	agent   *agent.Agent        // the last one
	manager *reconciler.Manager // nil while there is none
	people  *wire.Pipe          // to it
	ails    string              // what its agent says of it
}

func newSimNode(c *simCluster, id string, description specs.NodeDescription) *simNode {
	n := &simNode{
		cluster: c, id: id, dir: filepath.Join(c.TempDir(), id), engine: executortest.NewMemory(c.Errorf), memory: consensus.NewMemory(),
	}
	for _, manager := range c.managers() {
		n.seeds = append(n.seeds, manager.id)
	}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		c.Fatal(err)
	}
	description.Hostname = id
	n.engine.SetDescription(description)
	return n
}

// start runs the agent.
func (n *simNode) start() {
	a := agent.New(agent.Config{
		NodeID: n.id, Dir: n.dir, Executor: simEngine{n.engine, n.cluster}, Log: n.cluster.log.With("node", n.id),
		Managers: n.seeds, Local: n.whereabouts,
		Dial: func(ctx context.Context, addr string, protocol wire.Protocol) (net.Conn, error) {
			return n.cluster.network.call(ctx, wire.Identity{NodeID: n.id, Role: specs.Worker}, addr, protocol)
		},
		Trouble: n.trouble, Describe: n.engine.Describe,
	})
	n.mu.Lock()
	n.agent = a
	n.mu.Unlock()
	n.leave = n.cluster.background("agent "+n.id, a.Run)
}

func (n *simNode) stop() {
	if n.leave != nil {
		n.leave()
		n.leave = nil
	}
}

// manage runs the manager; first is given where the cluster is made.
func (n *simNode) manage(first *reconciler.First) {
	c := n.cluster
	c.Helper()
	port, people := c.network.listen(n.id), wire.NewPipe()
	m, err := reconciler.New(c.Context(), reconciler.Config{
		NodeID: n.id, First: first, Memory: n.memory, Log: c.log.With("manager", n.id),
		Wall:    func() time.Time { return time.Now().Add(time.Duration(n.skew.Load())) },
		Network: simRaft{port[wire.Raft], c.network, n.id}, Known: n.known,
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			return c.network.call(ctx, wire.Identity{NodeID: n.id, Role: specs.Manager}, addr, wire.Calls)
		},
	})
	if err != nil {
		c.Fatal(err)
	}
	n.setManager(m, people)
	nodes := http.NewServeMux()
	m.RegisterNodes(nodes)
	serves := c.background("manager "+n.id, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return m.Run(ctx) })
		g.Go(func() error { return wire.Serve(ctx, port[wire.Calls], wire.Authorize(nodes)) })
		g.Go(func() error { return m.ServeSessions(ctx, port[wire.Sessions]) })
		g.Go(func() error { return wire.Serve(ctx, people, m.People()) })
		return g.Wait()
	})
	n.dismiss = func() {
		serves()
		n.setManager(nil, nil)
		if err := m.Close(); err != nil {
			c.Error(err)
		}
	}
}

func (n *simNode) setManager(m *reconciler.Manager, people *wire.Pipe) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.manager, n.people = m, people
}

// managing is the manager of the machine, nil while there is none.
func (n *simNode) managing() *reconciler.Manager {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.manager
}

func (n *simNode) whereabouts() []wire.Manager {
	if m := n.managing(); m != nil {
		return m.Whereabouts()
	}
	return nil
}

func (n *simNode) trouble() wire.Trouble {
	n.mu.Lock()
	defer n.mu.Unlock()
	said := wire.Trouble{Node: n.ails}
	if n.manager != nil {
		said.Disk = n.manager.DiskTrouble()
	}
	return said
}

// ail has the node say so from now on.
func (n *simNode) ail(words string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ails = words
}

func (n *simNode) known() []wire.Manager {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.agent == nil {
		return nil
	}
	return n.agent.Known()
}

// retire stops the manager in order.
func (n *simNode) retire() {
	if n.dismiss != nil {
		n.dismiss()
		n.dismiss = nil
	}
}

// kill ends the daemon without a word: nothing that it does from now on reaches
// anybody.
func (n *simNode) kill() {
	n.cluster.network.die(n.id)
	var both sync.WaitGroup
	both.Go(n.stop)
	both.Go(n.retire)
	both.Wait()
}

// boot starts a daemon that was killed.
func (n *simNode) boot(manager bool) {
	n.cluster.network.revive(n.id)
	n.start()
	if manager {
		n.manage(nil)
	}
}

// managers are the machines with a manager that runs.
func (c *simCluster) managers() []*simNode {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(n *simNode) bool { return n.managing() == nil })
}

// leading is the machine whose manager leads, as far as it knows itself; nil
// while there is none. Of two, one was cut off and has not noticed.
func (c *simCluster) leading() *simNode {
	var found *simNode
	for _, n := range c.managers() {
		m := n.managing()
		if m.Leader() == n.id && (found == nil || m.Snapshot().Index() > found.managing().Snapshot().Index()) {
			found = n
		}
	}
	return found
}

func (c *simCluster) leader() *reconciler.Manager {
	if n := c.leading(); n != nil {
		return n.managing()
	}
	return nil
}

// awaitLeader waits until somebody leads: two rounds of an election and more.
func (c *simCluster) awaitLeader() {
	c.Helper()
	for range 100 {
		if c.leader() != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.Fatal("nobody leads after ten seconds")
}

// awaitManagers waits until every manager has its vote and the same state.
func (c *simCluster) awaitManagers() {
	c.Helper()
	c.awaitLeader()
	c.await("the managers agree", func(snap store.Snapshot) bool {
		leader := c.leader()
		if leader == nil || len(leader.Managers()) != len(c.managers()) {
			return false
		}
		for _, n := range c.managers() {
			if n.managing().Snapshot().Index() != snap.Index() {
				return false
			}
		}
		return true
	})
}

// restartManager restarts the only manager. What it knew is known again.
func (c *simCluster) restartManager(away time.Duration) {
	c.Helper()
	n := c.leading()
	before := c.snapshot()
	n.retire()
	time.Sleep(away)
	n.manage(nil)
	c.awaitLeader()
	after := c.snapshot()
	if before.Index() == after.Index() && before.Digest() != after.Digest() {
		c.Errorf("the restarted manager has another state at index %d", after.Index())
	}
	c.wantAcknowledged()
}

// order updates a node as a person does, who asks some manager.
func (c *simCluster) order(at *simNode, update api.UpdateNodeRequest) {
	c.Helper()
	client := wire.NewJSONClient(at.people.Dial)
	defer client.Close()
	if _, err := api.UpdateNode.Call(c.Context(), client, update); err != nil {
		c.Errorf("%s was asked for %+v: %v", at.id, update, err)
	}
}
