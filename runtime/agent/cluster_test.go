package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
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

// cluster is one manager and its nodes in a synctest bubble: a real store and a
// real dispatcher, agents over pipes, executors in memory.
type cluster struct {
	*testing.T
	store      *store.Store
	dispatcher *dispatcher.Dispatcher
	pipe       *wire.Pipe
	log        *slog.Logger
	leading    part
	latency    time.Duration // of a proposal

	mu      sync.Mutex
	index   uint64
	entries int                             // proposals that were applied
	fail    func([]specs.Transaction) fault // how a proposal fails; nil is not
	created int
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

func newCluster(t *testing.T) *cluster {
	out := io.Discard
	if testing.Verbose() {
		out = os.Stderr
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	c := &cluster{T: t, store: store.New(), pipe: wire.NewPipe(), log: log}
	c.dispatcher = dispatcher.New(dispatcher.Config{Store: c.store, Propose: c, Log: log})
	mux := http.NewServeMux()
	c.dispatcher.Register(mux)
	run(t, "serve", func(ctx context.Context) error { return wire.Serve(ctx, c.pipe, mux) })
	c.lead()
	return c
}

// lead begins a term.
func (c *cluster) lead() { c.leading = run(c.T, "dispatcher", c.dispatcher.Run) }

// Propose applies at once, as the only manager there is.
func (c *cluster) Propose(_ context.Context, txs []specs.Transaction) ([]error, error) {
	time.Sleep(c.latency)
	c.mu.Lock()
	defer c.mu.Unlock()
	f := none
	if c.fail != nil {
		f = c.fail(txs)
	}
	if f == notDone {
		return nil, fmt.Errorf("no leader")
	}
	c.index++
	c.entries++
	errs := c.store.Apply(c.index, txs)
	if f == doneButFailed {
		return nil, fmt.Errorf("outcome unknown")
	}
	return errs, nil
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
	daemon part

	connections sync.Mutex // guards what follows
	dials       int
	cut         bool
	open        []*freezingConn
}

// node adds a machine to the cluster and starts its daemon.
func (c *cluster) node(id string) *node {
	c.write(specs.Change{Node: specs.Insert(id, specs.Node{ID: id, Created: time.Now()})})
	n := &node{cluster: c, id: id, dir: c.TempDir(), engine: executortest.NewMemory(c.Errorf)}
	n.start()
	return n
}

func (n *node) start() {
	a := agent.New(agent.Config{
		NodeID: n.id, Dir: n.dir, Executor: n.engine, Logs: n.logs, Log: n.log.With("node", n.id),
		Connect:  func(context.Context) (*wire.Client, error) { return wire.NewClient(n.dial), nil },
		Describe: n.engine.Describe,
	})
	n.daemon = run(n.T, "agent "+n.id, a.Run)
}

func (n *node) dial(ctx context.Context) (net.Conn, error) {
	n.connections.Lock()
	cut := n.cut
	n.connections.Unlock()
	if cut {
		return nil, errors.New("no route to host")
	}
	conn, err := n.pipe.As(wire.Identity{NodeID: n.id, Role: specs.Worker})(ctx)
	if err != nil {
		return nil, err
	}
	freezing := &freezingConn{Conn: conn, frozen: make(chan struct{}), thawed: make(chan struct{})}
	n.connections.Lock()
	defer n.connections.Unlock()
	n.dials++
	n.open = append(n.open, freezing)
	return freezing, nil
}

// freezingConn is a connection that can stop to carry anything, without a word.
type freezingConn struct {
	net.Conn
	frozen, thawed chan struct{} // closed when it freezes and when it is closed
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

func (f *freezingConn) Close() error {
	f.once.Do(func() { close(f.thawed) })
	return f.Conn.Close()
}

// freeze lets the node's connections carry nothing more; new ones do.
func (n *node) freeze() {
	n.connections.Lock()
	defer n.connections.Unlock()
	for _, conn := range n.open {
		close(conn.frozen)
	}
	n.open = nil
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
	row, _ := c.store.Snapshot().Service(service)
	c.created++
	id := fmt.Sprintf("task%04d", c.created)
	c.write(specs.Change{Task: specs.Insert(id, specs.Task{
		ID: id, ServiceID: service, ServiceName: service, Slot: uint64(c.created), Spec: row.Spec.Task,
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
	synctest.Test(t, func(t *testing.T) { f(t, newCluster(t)) })
}

var web = specs.TaskSpec{Image: "web:1", Limits: specs.Limits{Memory: 64 << 20}}
