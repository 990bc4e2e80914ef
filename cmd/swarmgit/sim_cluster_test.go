package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler"
	remote "github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// simCluster is a whole cluster in a synctest bubble: machines on a network of
// pipes, each with an agent whose database is on disk and an executor that only
// remembers, some with a manager whose Raft writes to memory. Everything between
// them is the real thing, but that a push comes without git: its commit is a
// number and its files are a map.
type simCluster struct {
	*testing.T
	log        *slog.Logger
	network    *simNetwork
	nodes      []*simNode
	behaviours map[string]executortest.Behaviour // of images, for machines that come later

	mu      sync.Mutex
	excused map[string]bool   // tasks that may run beside their successors
	lost    map[*simNode]bool // machines whose tasks may

	pushes  int
	head    string            // the last acknowledged commit
	acked   map[string]string // what was acknowledged: commit -> subject
	unknown map[string]bool   // commits of which no manager could say what became
}

// newSimCluster brings up nodes n1, n2, ...; the first ones are managers, and n1
// makes the cluster.
func newSimCluster(t *testing.T, managers int, nodes ...specs.NodeDescription) *simCluster {
	c := &simCluster{
		T: t, log: slog.New(newSimLog(t)), network: newSimNetwork(), behaviours: make(map[string]executortest.Behaviour),
		acked: make(map[string]string), unknown: make(map[string]bool), excused: make(map[string]bool), lost: make(map[*simNode]bool),
	}
	for i, description := range nodes {
		n := c.addMachine(description)
		if i == 0 {
			n.manage(&reconciler.First{ClusterID: "sim", Name: "sim", NodeID: n.id})
			c.awaitLeader()
			n.start()
			continue
		}
		role := specs.Worker
		if i < managers {
			role = specs.Manager
		}
		c.admit(n, role)
		n.start()
		if role == specs.Manager {
			n.manage(nil)
		}
	}
	t.Cleanup(c.stop)
	c.awaitManagers()
	c.awaitReady()
	return c
}

func (c *simCluster) awaitReady() {
	c.Helper()
	c.await("every node is ready", func(snap store.Snapshot) bool {
		for _, n := range c.nodes {
			if row, _ := snap.Node(n.id); row.Seen.Status != specs.NodeReady {
				return false
			}
		}
		return true
	})
}

// rest waits until nothing is written any more, for two minutes at most: what
// fails again and again never rests.
func (c *simCluster) rest() {
	last, since := uint64(0), time.Now()
	for end := since.Add(2 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
		if index := c.snapshot().Index(); index != last {
			last, since = index, time.Now()
		}
		if time.Since(since) >= simRest {
			return
		}
	}
}

// simRest is longer than anything waits that is not for a lost node: a restart,
// an update's delay, a task that is watched, and the node that stops slowly.
const simRest = 20 * time.Second

// addMachine makes a machine that is no node of the cluster yet.
func (c *simCluster) addMachine(description specs.NodeDescription) *simNode {
	n := newSimNode(c, fmt.Sprintf("n%d", len(c.nodes)+1), description)
	for image, behaviour := range c.behaviours {
		n.engine.SetImage(image, behaviour)
	}
	c.nodes = append(c.nodes, n)
	return n
}

// admit makes the machine a node, as if it had joined with a token.
func (c *simCluster) admit(n *simNode, role specs.Role) {
	c.Helper()
	row := specs.Node{ID: n.id, Created: time.Now(), Spec: specs.NodeSpec{Role: role}}
	if err := c.leader().Propose(c.Context(), specs.Transaction{{Node: specs.Insert(n.id, row)}}); err != nil {
		c.Fatal(err)
	}
}

func (c *simCluster) stop() {
	c.network.heal()
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(n.kill)
	}
	all.Wait()
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

// snapshot is the state as the leader has it, or while nobody leads whoever has
// most of it.
func (c *simCluster) snapshot() store.Snapshot {
	if m := c.leader(); m != nil {
		return m.Snapshot()
	}
	newest := store.New().Snapshot()
	for _, n := range c.managers() {
		if snap := n.managing().Snapshot(); snap.Index() > newest.Index() {
			newest = snap
		}
	}
	return newest
}

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
	c.behaviours[name] = b
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
	now := time.Now()
	if leader := c.leader(); leader != nil {
		now = leader.Now()
	}
	plan, _ := planner.Propose(planner.Input{
		Present: c.snapshot(), Source: specs.MainSource, Wanted: loaded.Stacks, Now: now, AllowRemoval: true,
	})
	return plan
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
	leader := c.leader()
	if leader == nil {
		return simPush{}, "", errNobodyLeads
	}
	checked, err := leader.Check(c.Context(), push, &out)
	if err != nil {
		return simPush{}, out.String(), err
	}
	if err := checked.Commit(c.Context()); err != nil {
		c.unknown[commit] = errors.Is(err, remote.ErrOutcomeUnknown)
		return simPush{}, out.String(), err
	}
	c.head, c.acked[commit] = commit, push.Commit.Subject
	return simPush{commit, checked}, out.String(), nil
}

var errNobodyLeads = errors.New("nobody leads")

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

// provoked is what is an error on a machine, and done to it on purpose.
var provoked = map[string]bool{
	"the disk hangs: this manager gives up leadership": true,
	"changes are refused":                              true, // the disk is full
}

func (l simLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return simLog{l.Handler.WithAttrs(attrs), l.t}
}

func (l simLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError && !provoked[r.Message] {
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
