package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/dispatcher"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// cluster is managers and their nodes in a synctest bubble: a real store that all
// managers share, a real dispatcher each, agents over pipes, executors in memory.
type cluster struct {
	*testing.T
	store      *store.Store
	managers   []*manager
	dispatcher *dispatcher.Dispatcher // of the first manager
	log        *slog.Logger
	leading    part
	latency    time.Duration // of a proposal

	mu      sync.Mutex
	leader  *manager      // nil: none
	moved   chan struct{} // closed when leader changes
	index   uint64
	entries int                             // proposals that were applied
	fail    func([]specs.Transaction) fault // how a proposal fails; nil is not
	created int
	asked   int // how often the content of a secret or config was asked for
}

type fault int

const (
	none fault = iota
	notDone
	doneButFailed
)

// part is something that runs until it is stopped.
type part struct{ stop func() }

func run(t *testing.T, name string, f func(context.Context) error) part {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	return part{stop}
}

func newCluster(t *testing.T, managers int) *cluster {
	out := io.Discard
	if testing.Verbose() {
		out = os.Stderr
	}
	c := &cluster{T: t, store: store.New(), moved: make(chan struct{}), log: slog.New(slog.NewTextHandler(out, nil))}
	for i := range managers {
		c.managers = append(c.managers, newManager(c, fmt.Sprint("m", i+1)))
	}
	c.dispatcher = c.managers[0].dispatcher
	c.lead()
	return c
}

// lead begins a term of the first manager.
func (c *cluster) lead() { c.leading = c.managers[0].lead() }

// elect makes a manager the leader in the eyes of all, or nobody.
func (c *cluster) elect(m *manager) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = m
	close(c.moved)
	c.moved = make(chan struct{})
}

func (c *cluster) failing(f func([]specs.Transaction) fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = f
}

// write is what the other writers of the store do: it must succeed.
func (c *cluster) write(tx ...specs.Change) {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	for _, err := range c.store.Apply(c.index, []specs.Transaction{tx}) {
		if err != nil {
			c.Fatal(err)
		}
	}
}

// node is a machine: an executor that outlives its daemons.
type node struct {
	*cluster
	id     string
	dir    string
	engine *executortest.Memory
	logs   agent.Logs
	seeds  []string // the managers that its daemon is told of
	adapt  func(*agent.Config)
	daemon part

	connections sync.Mutex // guards what follows
	dials       int
	cut         bool
	open        []*freezingConn
}

// node adds a machine to the cluster and starts its daemon.
func (c *cluster) node(id string) *node {
	n := c.machine(id)
	n.start()
	return n
}

// machine adds a machine to the cluster, whose daemon will know one manager.
func (c *cluster) machine(id string) *node {
	c.write(specs.Change{Node: specs.Insert(id, specs.Node{ID: id, Created: time.Now()})})
	return &node{
		cluster: c, id: id, dir: c.TempDir(), engine: executortest.NewMemory(c.Errorf),
		seeds: []string{c.managers[0].addr}, adapt: func(*agent.Config) {},
	}
}

func (n *node) start() {
	config := agent.Config{
		NodeID: n.id, Dir: n.dir, Executor: n.engine, Logs: n.logs, Log: n.log.With("node", n.id), Managers: n.seeds,
		Dial: n.dial, Describe: n.engine.Describe,
	}
	n.adapt(&config)
	n.daemon = run(n.T, "agent "+n.id, agent.New(config).Run)
}

func (n *node) dial(ctx context.Context, addr string, protocol wire.Protocol) (net.Conn, error) {
	n.connections.Lock()
	n.dials++
	cut := n.cut
	n.connections.Unlock()
	if cut {
		return nil, errors.New("no route to host")
	}
	m, err := n.reach(ctx, addr)
	if err != nil {
		return nil, err
	}
	conn, err := m.pipes[protocol].As(wire.Identity{NodeID: n.id, Role: specs.Worker})(ctx)
	if err != nil {
		return nil, err
	}
	freezing := &freezingConn{Conn: conn, to: m, frozen: make(chan struct{}), thawed: make(chan struct{})}
	n.connections.Lock()
	defer n.connections.Unlock()
	n.open = append(n.open, freezing)
	return freezing, nil
}

func (n *node) dialed() int {
	n.connections.Lock()
	defer n.connections.Unlock()
	return n.dials
}

// freezingConn is a connection that can stop to carry anything, without a word.
type freezingConn struct {
	net.Conn
	to             *manager
	frozen, thawed chan struct{} // closed when it freezes, and when nobody waits for it any more
	once           sync.Once
}

func (f *freezingConn) Write(p []byte) (int, error) {
	select {
	case <-f.frozen:
		return len(p), nil
	default:
		return f.Conn.Write(p)
	}
}

func (f *freezingConn) Read(p []byte) (int, error) {
	select {
	case <-f.frozen:
		<-f.thawed
		return 0, net.ErrClosed
	default:
		return f.Conn.Read(p)
	}
}

func (f *freezingConn) SetReadDeadline(t time.Time) error {
	f.once.Do(func() { close(f.thawed) })
	return f.Conn.SetReadDeadline(t)
}

func (f *freezingConn) Close() error {
	f.once.Do(func() { close(f.thawed) })
	return f.Conn.Close()
}

// freeze lets the node's connections carry nothing more; new ones do.
func (n *node) freeze() {
	for _, m := range n.managers {
		n.freezeTo(m)
	}
}

// freezeTo is freeze of the connections to one manager.
func (n *node) freezeTo(m *manager) {
	n.connections.Lock()
	defer n.connections.Unlock()
	n.open = slices.DeleteFunc(n.open, func(conn *freezingConn) bool {
		if conn.to == m {
			close(conn.frozen)
		}
		return conn.to == m
	})
}

// hangUp closes the node's connections to one manager.
func (n *node) hangUp(m *manager) {
	n.connections.Lock()
	defer n.connections.Unlock()
	for _, conn := range n.open {
		if conn.to == m {
			_ = conn.Close()
		}
	}
}

// disconnect takes the node off the network; reconnect brings it back.
func (n *node) disconnect() {
	n.connections.Lock()
	defer n.connections.Unlock()
	n.cut = true
	for _, conn := range n.open {
		_ = conn.Close()
	}
	n.open = nil
}

func (n *node) reconnect() {
	n.connections.Lock()
	defer n.connections.Unlock()
	n.cut = false
}

// restart ends the daemon and starts another one.
func (n *node) restart() {
	n.daemon.stop()
	n.start()
}

func (n *node) status() specs.NodeStatus {
	row, _ := n.store.Snapshot().Node(n.id)
	return row.Seen.Status
}

// service adds a service whose tasks are of this spec.
func (c *cluster) service(name string, spec specs.TaskSpec) specs.Hash {
	h := encoding.HashTaskSpec(spec)
	c.write(
		specs.Change{TaskSpec: &spec},
		specs.Change{Service: specs.Insert(name, specs.Service{
			ID: name, Created: time.Now(), Spec: specs.ServiceSpec{Name: name, Stack: "shop", Task: h},
		})},
	)
	return h
}

// assign creates a task on a node and returns its ID.
func (c *cluster) assign(service, node string, desired specs.State) string {
	c.Helper()
	return c.fill(uint64(c.created+1), service, node, desired)
}

// fill is assign of a task in that slot.
func (c *cluster) fill(slot uint64, service, node string, desired specs.State) string {
	c.Helper()
	row, _ := c.store.Snapshot().Service(service)
	c.created++
	id := fmt.Sprintf("task%04d", c.created)
	c.write(specs.Change{Task: specs.Insert(id, specs.Task{
		ID: id, ServiceID: service, ServiceName: service, Slot: slot, Spec: row.Spec.Task,
		Created: time.Now(), Want: specs.TaskWant{Desired: desired, Node: node, Since: time.Now()},
	})})
	return id
}

// want changes a task's desired state.
func (c *cluster) want(id string, desired specs.State) {
	c.Helper()
	task := c.task(id)
	want := task.Want
	want.Desired = desired
	c.write(specs.Change{TaskWant: specs.Set(id, task.WantVersion, want)})
}

// forget removes a task's row.
func (c *cluster) forget(id string) {
	c.Helper()
	c.write(specs.Change{Task: specs.Remove[specs.Task](id, c.task(id).WantVersion)})
}

func (c *cluster) task(id string) specs.Task {
	c.Helper()
	task, ok := c.store.Snapshot().Task(id)
	if !ok {
		c.Fatalf("task %s is not in the store", id)
	}
	return task
}

// sees waits for everything that needs no time and demands a state.
func (c *cluster) sees(id string, want specs.State) specs.Task {
	c.Helper()
	synctest.Wait()
	task := c.task(id)
	if task.Seen.State != want {
		c.Fatalf("task %s is %s (%s%s), want %s", id, task.Seen.State, task.Seen.Message, task.Seen.Err, want)
	}
	return task
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// bubble runs a test in a bubble with a cluster.
func bubble(t *testing.T, f func(*testing.T, *cluster)) {
	bubbleOf(t, 1, f)
}

// bubbleOf is bubble with several managers, of which the first leads.
func bubbleOf(t *testing.T, managers int, f func(*testing.T, *cluster)) {
	synctest.Test(t, func(t *testing.T) { f(t, newCluster(t, managers)) })
}

var web = specs.TaskSpec{Image: "web:1", Limits: specs.Limits{Memory: 64 << 20}}
