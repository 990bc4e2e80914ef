package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	remote "github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// simCluster is a whole cluster in a synctest bubble: one manager whose Raft
// writes to memory, agents with their databases on disk, and executors that only
// remember. Everything between them is the real thing, but that a push comes
// without git: its commit is a number and its files are a map.
type simCluster struct {
	*testing.T
	log    *slog.Logger
	memory *consensus.Memory
	nodes  []*simNode

	mu      sync.Mutex
	pipe    *wire.Pipe
	manager *reconciler.Manager
	excused map[string]bool // tasks that may run beside their successors

	leave  func() // stops the manager
	pushes int
	head   string            // the last acknowledged commit
	acked  map[string]string // what was acknowledged: commit -> subject
}

// newSimCluster brings up nodes n1, n2, ...; the manager runs on n1.
func newSimCluster(t *testing.T, nodes ...specs.NodeDescription) *simCluster {
	c := &simCluster{
		T: t, log: slog.New(newSimLog(t)), memory: consensus.NewMemory(), acked: make(map[string]string),
		excused: make(map[string]bool),
	}
	var rows specs.Transaction
	for i, description := range nodes {
		n := newSimNode(c, fmt.Sprintf("n%d", i+1), description)
		c.nodes = append(c.nodes, n)
		row := specs.Node{ID: n.id, Created: time.Now(), Spec: specs.NodeSpec{Role: specs.Worker}}
		if i == 0 {
			row.Spec.Role = specs.Manager
		}
		rows = append(rows, specs.Change{Node: specs.Insert(n.id, row)})
	}
	c.write(func(store.Snapshot) specs.Transaction { return rows })
	c.startManager()
	for _, n := range c.nodes {
		n.start()
	}
	c.await("every node is ready", func(snap store.Snapshot) bool {
		for _, n := range c.nodes {
			if row, _ := snap.Node(n.id); row.Seen.Status != specs.NodeReady {
				return false
			}
		}
		return true
	})
	t.Cleanup(c.stop)
	return c
}

func (c *simCluster) stop() {
	for _, n := range c.nodes {
		n.stop()
	}
	c.stopManager()
}

// write changes rows that only the api writes, which has no call for it yet,
// while the manager is away.
func (c *simCluster) write(change func(store.Snapshot) specs.Transaction) {
	c.Helper()
	st := store.New()
	raft, err := consensus.Open(consensus.Config{NodeID: "n1", Store: st, Bootstrap: true, Memory: c.memory, Log: c.log})
	if err != nil {
		c.Fatal(err)
	}
	done := c.background("write", raft.Run)
	defer done()
	if _, err := raft.Leading(c.Context()); err != nil {
		c.Fatal(err)
	}
	errs, err := raft.Propose(c.Context(), []specs.Transaction{change(st.Snapshot())})
	if err := errors.Join(append(errs, err)...); err != nil {
		c.Fatal(err)
	}
}

// background runs f until the returned function is called, which waits for it.
func (c *simCluster) background(what string, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
			c.Errorf("%s: %v", what, err)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// startManager opens a manager over what the one before left, and waits until it
// leads.
func (c *simCluster) startManager() {
	c.Helper()
	m, err := reconciler.New(c.Context(), reconciler.Config{NodeID: "n1", ClusterName: "sim", Memory: c.memory, Log: c.log})
	if err != nil {
		c.Fatal(err)
	}
	mux, pipe := http.NewServeMux(), wire.NewPipe()
	m.RegisterNodes(mux)
	c.mu.Lock()
	c.manager, c.pipe = m, pipe
	c.mu.Unlock()
	runs := c.background("manager", m.Run)
	serves := c.background("node port", func(ctx context.Context) error { return wire.Serve(ctx, pipe, mux) })
	c.leave = func() {
		serves()
		runs()
		if err := m.Close(); err != nil {
			c.Error(err)
		}
	}
	for m.Leader() == "" {
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *simCluster) stopManager() { c.leave() }

// restartManager restarts the manager. What it knew is known again.
func (c *simCluster) restartManager(away time.Duration) {
	c.Helper()
	c.stopManager()
	before := c.manager.Snapshot()
	time.Sleep(away)
	c.startManager()
	after := c.manager.Snapshot()
	if before.Index() == after.Index() && before.Digest() != after.Digest() {
		c.Errorf("the restarted manager has another state at index %d", after.Index())
	}
	c.wantAcknowledged()
}

// connect is how a node's agent finds the manager.
func (c *simCluster) connect(nodeID string) *wire.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return wire.NewClient(c.pipe.As(wire.Identity{NodeID: nodeID, Role: specs.Worker}))
}

func (c *simCluster) snapshot() store.Snapshot { return c.manager.Snapshot() }

// await waits until the store says so; a minute is for ever.
func (c *simCluster) await(what string, holds func(store.Snapshot) bool) {
	c.Helper()
	for range 600 {
		if holds(c.snapshot()) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.Fatalf("waited a minute in vain: %s", what)
}

// image says how the tasks of an image behave on every node.
func (c *simCluster) image(name string, b executortest.Behaviour) {
	for _, n := range c.nodes {
		n.engine.SetImage(name, b)
	}
}

// plan is what pushing the tree would do now.
func (c *simCluster) plan(tree fs.FS) planner.Plan {
	c.Helper()
	loaded := schema.Load(c.Context(), tree, schema.Options{})
	if len(loaded.Problems) > 0 {
		c.Fatalf("the drawn files are wrong: %v", loaded.Problems)
	}
	return planner.Make(planner.Input{
		Present: c.snapshot(), Source: specs.MainSource, Wanted: loaded.Stacks, Now: time.Now(), AllowRemoval: true,
	})
}

// simPush is one push that was acknowledged.
type simPush struct {
	commit  string
	checked remote.Checked
}

// tryPush pushes the tree as proc-receive does, and says how that went.
func (c *simCluster) tryPush(tree fs.FS, options ...string) (simPush, string, error) {
	c.pushes++
	commit := fmt.Sprintf("%07x%033d", c.pushes, 0)
	var out bytes.Buffer
	push := remote.Push{
		Ref: "refs/heads/main", Old: c.head, New: commit, Followed: true, Options: options, Files: tree,
		Commit: remote.Commit{Hash: commit, Author: "sim", Subject: fmt.Sprintf("edit %d", c.pushes)},
	}
	checked, err := c.manager.Check(c.Context(), push, &out)
	if err != nil {
		return simPush{}, out.String(), err
	}
	if err := checked.Commit(c.Context()); err != nil {
		return simPush{}, out.String(), err
	}
	c.head, c.acked[commit] = commit, push.Commit.Subject
	return simPush{commit, checked}, out.String(), nil
}

func (c *simCluster) push(tree fs.FS) simPush {
	c.Helper()
	p, out, err := c.tryPush(tree, remote.OptionAllowRemoval)
	if err != nil {
		c.Fatalf("%v\n%s", err, out)
	}
	return p
}

// settle waits until the revision of the push has ended, and for what may end
// after it: the rollouts of other services, tasks of slots that went.
func (c *simCluster) settle(p simPush) specs.Revision {
	c.Helper()
	for range 2 * 60 * 60 {
		if rev := c.revision(p.commit); rev.Progress.State.Ended() && !updating(c.snapshot()) {
			time.Sleep(simStopTakes + 5*time.Second)
			return c.revision(p.commit)
		}
		time.Sleep(time.Second)
	}
	c.Fatalf("commit %s has not ended in two hours: %+v", remote.Short(p.commit), c.revision(p.commit))
	return specs.Revision{}
}

func updating(snap store.Snapshot) bool {
	for svc := range snap.Services() {
		if svc.Rollout.State == specs.RolloutUpdating {
			return true
		}
	}
	return false
}

func (c *simCluster) revision(commit string) specs.Revision {
	for rev := range c.snapshot().Revisions() {
		if rev.Commit == commit {
			return rev
		}
	}
	return specs.Revision{}
}

// simNode is one worker. Its engine lives on while its agent restarts.
type simNode struct {
	cluster *simCluster
	id      string
	dir     string
	engine  *executortest.Memory
	leave   func() // stops the agent; nil while it is away
}

func newSimNode(c *simCluster, id string, description specs.NodeDescription) *simNode {
	n := &simNode{cluster: c, id: id, dir: filepath.Join(c.TempDir(), id), engine: executortest.NewMemory(c.Errorf)}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		c.Fatal(err)
	}
	description.Hostname = id
	n.engine.SetDescription(description)
	return n
}

func (n *simNode) start() {
	a := agent.New(agent.Config{
		NodeID: n.id, Dir: n.dir, Executor: simEngine{n.engine, n.cluster}, Log: n.cluster.log,
		Connect:  func(context.Context) (*wire.Client, error) { return n.cluster.connect(n.id), nil },
		Describe: n.engine.Describe,
	})
	n.leave = n.cluster.background("agent "+n.id, a.Run)
}

func (n *simNode) stop() {
	if n.leave != nil {
		n.leave()
		n.leave = nil
	}
}

// simEngine looks at the whole cluster whenever a task has started.
type simEngine struct {
	*executortest.Memory
	cluster *simCluster
}

func (e simEngine) Start(ctx context.Context, id string) (int, error) {
	pid, err := e.Memory.Start(ctx, id)
	e.cluster.wantOneTaskPerSlot()
	return pid, err
}

// simLog fails the test on what is logged as an error: nothing that a simulation
// does may be one.
type simLog struct {
	slog.Handler
	t *testing.T
}

func newSimLog(t *testing.T) simLog {
	out := io.Discard
	if os.Getenv("SIM_LOG") != "" {
		out = t.Output()
	}
	return simLog{slog.NewTextHandler(out, nil), t}
}

func (l simLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		r.Attrs(func(a slog.Attr) bool {
			l.t.Errorf("logged as an error: %s: %s", r.Message, a)
			return true
		})
	}
	return l.Handler.Handle(ctx, r)
}

// digestAfterRestore is the digest of the state after it was saved and restored.
func (c *simCluster) digestAfterRestore(snap store.Snapshot) specs.Hash {
	c.Helper()
	var saved bytes.Buffer
	if err := snap.Save(encoding.NewEncoder(&saved)); err != nil {
		c.Fatal(err)
	}
	restored := store.New()
	if err := restored.Restore(encoding.NewDecoder(&saved)); err != nil {
		c.Fatal(err)
	}
	return restored.Digest()
}
