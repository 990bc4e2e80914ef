package converge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// cluster is a store, a loop and a worker, stepped by hand. Its worker keeps
// the promises of a real one: states go forward, a task that is told to stop
// stops, a task of a down node stays silent. How a task fares is in its image:
//
//	missing    is rejected while it is prepared
//	crash      fails when it is started
//	brief      runs and completes at the next step
//	crash@30s  fails 30 s after it ran
//	stubborn   never stops
//	slow       stays preparing
type cluster struct {
	t      testing.TB
	store  *store.Store
	feed   *store.Feed
	held   store.Snapshot
	sched  *scheduler.State
	agenda converge.Agenda
	now    time.Time
	index  uint64
	ids    int
	check  func() // after every change

	arrived bool // the image that was missing

	began time.Time // the term
	heard func(nodeID string) time.Time
}

func newCluster(t testing.TB, nodes ...string) *cluster {
	c := &cluster{
		t: t, store: store.New(), agenda: converge.Agenda{},
		now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), check: func() {},
	}
	c.feed = c.store.Subscribe()
	c.held, _ = c.feed.Take()
	c.sched = scheduler.New(c.held)
	for _, id := range nodes {
		c.node(id, nil)
	}
	return c
}

func (c *cluster) apply(txs ...specs.Transaction) {
	c.t.Helper()
	c.index++
	for i, err := range c.store.Apply(c.index, txs) {
		if err != nil {
			c.t.Fatalf("transaction %d of entry %d: %v", i, c.index, err)
		}
	}
	c.check()
}

// node adds a node or changes what is wanted and seen of it.
func (c *cluster) node(id string, change func(*specs.NodeSpec, *specs.NodeSeen)) {
	c.t.Helper()
	n, known := c.store.Snapshot().Node(id)
	if !known {
		n = specs.Node{ID: id, Created: c.now, Spec: specs.NodeSpec{Role: specs.Worker}, Seen: specs.NodeSeen{
			Status: specs.NodeReady, Since: c.now,
			Description: specs.NodeDescription{Hostname: id, Resources: specs.Resources{CPUs: 8e9, Memory: 8 << 30}},
		}}
		c.apply(specs.Transaction{{Node: specs.Insert(id, n)}})
		n, _ = c.store.Snapshot().Node(id)
	}
	if change == nil {
		change = func(*specs.NodeSpec, *specs.NodeSeen) {}
	}
	status := n.Seen.Status
	if change(&n.Spec, &n.Seen); n.Seen.Status != status {
		n.Seen.Since = c.now
	}
	c.apply(specs.Transaction{
		{NodeSpec: specs.Set(id, n.SpecVersion, n.Spec)}, {NodeSeen: specs.Set(id, n.SeenVersion, n.Seen)},
	})
}

func down(_ *specs.NodeSpec, seen *specs.NodeSeen)  { seen.Status = specs.NodeDown }
func ready(_ *specs.NodeSpec, seen *specs.NodeSeen) { seen.Status = specs.NodeReady }
func drain(spec *specs.NodeSpec, _ *specs.NodeSeen) { spec.Availability = specs.Drain }
func pause(spec *specs.NodeSpec, _ *specs.NodeSeen) { spec.Availability = specs.Pause }
func open(spec *specs.NodeSpec, _ *specs.NodeSeen)  { spec.Availability = specs.Active }

func unknown(_ *specs.NodeSpec, seen *specs.NodeSeen) { seen.Status = specs.NodeUnknown }

func zone(value string) func(*specs.NodeSpec, *specs.NodeSeen) {
	return func(spec *specs.NodeSpec, _ *specs.NodeSeen) { spec.Labels = map[string]string{"zone": value} }
}

// dismiss removes a node from the cluster.
func (c *cluster) dismiss(id string) {
	c.t.Helper()
	n, _ := c.store.Snapshot().Node(id)
	c.apply(specs.Transaction{{Node: specs.Remove[specs.Node](id, n.SpecVersion)}})
}

// push declares a service of stack "shop" as the planner would.
func (c *cluster) push(name, image string, replicas uint64, changes ...func(*specs.ServiceSpec, *specs.TaskSpec)) {
	c.t.Helper()
	c.apply(c.declare(name, image, replicas, changes...))
}

func (c *cluster) declare(name, image string, replicas uint64, changes ...func(*specs.ServiceSpec, *specs.TaskSpec)) specs.Transaction {
	task := specs.TaskSpec{Image: image}
	spec := specs.ServiceSpec{Name: name, Stack: "shop", Replicas: &replicas}
	for _, change := range changes {
		change(&spec, &task)
	}
	spec.Task = encoding.HashTaskSpec(task)
	tx := specs.Transaction{{TaskSpec: &task}}
	svc, known := c.store.Snapshot().ServiceNamed(name)
	if !known {
		id := "id-of-" + name
		return append(tx, specs.Change{Service: specs.Insert(id, specs.Service{ID: id, Created: c.now, Spec: spec})})
	}
	return append(tx, specs.Change{Spec: specs.Set(svc.ID, svc.SpecVersion, specs.ServiceWant{Spec: spec})})
}

func (c *cluster) remove(name string) {
	c.t.Helper()
	svc := c.service(name)
	c.apply(specs.Transaction{{Spec: specs.Set(svc.ID, svc.SpecVersion, specs.ServiceWant{Spec: svc.Spec, Removed: true})}})
}

func (c *cluster) service(name string) specs.Service {
	c.t.Helper()
	svc, ok := c.store.Snapshot().ServiceNamed(name)
	if !ok {
		c.t.Fatalf("no service %s", name)
	}
	return svc
}

// pass runs one pass over what is dirty or due and reports whether it decided
// anything.
func (c *cluster) pass() bool {
	c.t.Helper()
	snap, touched := c.feed.Take()
	dirty := converge.Touches(c.held, snap, touched)
	dirty.Add(c.agenda.Due(c.now))
	c.follow(snap, touched)
	if dirty.Empty() {
		return false
	}
	result := converge.Pass(c.input(dirty))
	for id, wake := range result.Wakes {
		if !wake.IsZero() && !wake.After(c.now) {
			c.t.Fatalf("asked to look at %q again at once: %s is not after %s", id, wake, c.now)
		}
	}
	c.agenda.Note(result)
	for id, err := range result.Refused {
		c.t.Fatalf("refused for %s: %v", id, err)
	}
	if len(result.Transactions) > 0 {
		c.apply(result.Transactions...)
	}
	return len(result.Transactions) > 0
}

func (c *cluster) input(dirty converge.Dirty) converge.Input {
	return converge.Input{Snapshot: c.held, Scheduler: c.sched, Dirty: dirty, Now: c.now, Began: c.began, Heard: c.heard, NewID: func() string {
		c.ids++
		return fmt.Sprintf("task%04d", c.ids)
	}}
}

// lead begins the term of a leader that remembers nothing and whose clock is ahead.
func (c *cluster) lead(ahead time.Duration) {
	c.now = c.now.Add(ahead)
	c.began = c.now
	c.agenda = converge.Agenda{}
	c.feed.Close()
	c.feed = c.store.Subscribe()
}

// follow brings the scheduler's state to the snapshot.
func (c *cluster) follow(snap store.Snapshot, touched store.Touched) {
	if touched.All {
		c.held, c.sched = snap, scheduler.New(snap)
		return
	}
	for id := range touched.Nodes {
		before, had := c.held.Node(id)
		after, has := snap.Node(id)
		c.sched.Node(pointer(before, had), pointer(after, has))
	}
	for id := range touched.Tasks {
		before, had := c.held.Task(id)
		after, has := snap.Task(id)
		spec, ok := snap.TaskSpec(after.Spec)
		if !ok {
			spec, _ = c.held.TaskSpec(before.Spec)
		}
		c.sched.Task(pointer(before, had), pointer(after, has), spec)
	}
	c.held = snap
}

func pointer[T any](v T, ok bool) *T {
	if !ok {
		return nil
	}
	return &v
}

// converge runs passes until one decides nothing.
func (c *cluster) converge() {
	c.t.Helper()
	for range 100 {
		if !c.pass() {
			c.idle()
			return
		}
	}
	c.t.Fatalf("passes without end")
}

// idle checks that a pass over everything decides nothing.
func (c *cluster) idle() {
	c.t.Helper()
	if again := converge.Pass(c.input(converge.Dirty{All: true})); len(again.Transactions) > 0 {
		c.t.Fatalf("a second pass over the same decides %s", show(again.Transactions))
	}
}

// work lets every task take one step and reports whether any did.
func (c *cluster) work() bool {
	c.t.Helper()
	snap := c.store.Snapshot()
	var txs []specs.Transaction
	for t := range snap.Tasks() {
		n, known := snap.Node(t.Want.Node)
		if !known || n.Seen.Status != specs.NodeReady {
			continue
		}
		spec, _ := snap.TaskSpec(t.Spec)
		if seen, stepped := c.fare(t, spec.Image); stepped {
			txs = append(txs, specs.Transaction{{TaskSeen: specs.Set(t.ID, t.SeenVersion, seen)}})
		}
	}
	if len(txs) > 0 {
		c.apply(txs...)
	}
	return len(txs) > 0
}

// fare is one step of one task.
func (c *cluster) fare(t specs.Task, image string) (specs.TaskSeen, bool) {
	seen := t.Seen
	to := func(s specs.State) (specs.TaskSeen, bool) {
		seen.State, seen.Since = s, c.now
		if s == specs.StateRunning {
			seen.Running = c.now
		}
		return seen, true
	}
	fail := func(s specs.State, err string) (specs.TaskSeen, bool) {
		seen.Err = err
		return to(s)
	}
	switch {
	case t.Ended():
		return seen, false
	case !t.Wanted():
		if image == "stubborn" && seen.State >= specs.StateStarting {
			return seen, false
		}
		return to(specs.StateShutdown)
	case seen.State == specs.StateNew:
		return to(specs.StateAccepted)
	case seen.State == specs.StateAccepted:
		return to(specs.StatePreparing)
	case seen.State == specs.StatePreparing && image == "slow":
		return seen, false
	case seen.State == specs.StatePreparing && image == "missing" && !c.arrived:
		return fail(specs.StateRejected, "missing: no such image")
	case seen.State == specs.StatePreparing:
		return to(specs.StateReady)
	case t.Want.Desired == specs.StateReady:
		return seen, false
	case seen.State == specs.StateReady:
		return to(specs.StateStarting)
	case seen.State == specs.StateStarting && image == "crash":
		return fail(specs.StateFailed, "exit code 1")
	case seen.State == specs.StateStarting:
		return to(specs.StateRunning)
	case image == "brief":
		return to(specs.StateComplete)
	}
	if after, ok := strings.CutPrefix(image, "crash@"); ok {
		if d, _ := time.ParseDuration(after); !c.now.Before(seen.Running.Add(d)) {
			return fail(specs.StateFailed, "exit code 1")
		}
	}
	return seen, false
}

// settle lets loop and worker go on at the present time until both rest.
func (c *cluster) settle() {
	c.t.Helper()
	for range 1000 {
		c.converge()
		if !c.work() {
			return
		}
	}
	c.t.Fatal("the cluster does not rest")
}

// pass time lets the cluster live for d, jumping from wake to wake.
func (c *cluster) live(d time.Duration) {
	c.t.Helper()
	end := c.now.Add(d)
	for {
		c.settle()
		next := c.now.Add(time.Second)
		if at := c.agenda.Next(); !at.IsZero() && at.After(c.now) && at.Before(next) {
			next = at
		}
		if next.After(end) {
			return
		}
		c.now = next
	}
}

// ps is the tasks of a service in short: number or node, image, desired state and
// current state, oldest first in a slot.
func (c *cluster) ps(name string) []string {
	var lines []string
	snap := c.store.Snapshot()
	for t := range snap.TasksOf("id-of-" + name) {
		spec, _ := snap.TaskSpec(t.Spec)
		lines = append(lines, fmt.Sprintf("%s %s %s %s", t.SlotID(), spec.Image, t.Want.Desired, t.State()))
	}
	return lines
}

// running counts the tasks of a service that are seen running, by image.
func (c *cluster) running(name string) map[string]int {
	count := make(map[string]int)
	snap := c.store.Snapshot()
	for t := range snap.TasksOf("id-of-" + name) {
		if t.Seen.State == specs.StateRunning {
			spec, _ := snap.TaskSpec(t.Spec)
			count[spec.Image]++
		}
	}
	return count
}

func show(txs []specs.Transaction) string {
	var lines []string
	for _, tx := range txs {
		for _, change := range tx {
			data, _ := json.Marshal(change)
			lines = append(lines, string(data))
		}
	}
	return strings.Join(lines, "\n")
}
