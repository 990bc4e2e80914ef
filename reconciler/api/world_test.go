package api

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/wire"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a cluster at one moment: a store that is filled by hand, and what a
// manager says of itself.
type world struct {
	t          testing.TB
	store      *store.Store
	index      uint64
	leader     string
	leaderless time.Duration
	unread     error           // why the store is not to be believed
	silent     map[string]bool // nodes that the leader has not heard
	disk       string
	held       string
	rotation   string
	trouble    map[string]wire.Trouble // of nodes
	lines      []string                // of Wait

	managers map[string]bool // that vote, and whether they are reached; nil is all that should
	before   func()          // what somebody else does before the next proposal
	refusal  error           // of the next proposal
	forgot   []string        // nodes whose certificates are refused
}

func newWorld(t testing.TB) *world { return &world{t: t, store: store.New(), leader: id("n1")} }

// id is an ID that a reader of a golden file can follow.
func id(name string) string { return fmt.Sprintf("%s%0*d", name, specs.IDLength-len(name), 0) }

func (w *world) apply(changes ...specs.Change) {
	w.t.Helper()
	w.index++
	for _, err := range w.store.Apply(w.index, []specs.Transaction{changes}) {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) node(hostname string, role specs.Role, status specs.NodeStatus) {
	w.t.Helper()
	node := specs.Node{
		ID: id(hostname), Created: noon.Add(-time.Hour),
		Spec: specs.NodeSpec{Role: role, Labels: map[string]string{"zone": "a"}},
		Seen: specs.NodeSeen{Status: status, Since: noon.Add(-time.Minute), Description: specs.NodeDescription{
			Hostname: hostname, OS: "linux", Arch: "amd64", Engine: "containerd 2.4.2",
			Resources: specs.Resources{CPUs: 2e9, Memory: 4 << 30},
		}},
	}
	w.apply(specs.Change{Node: specs.Insert(node.ID, node)})
}

// service adds a service of a stack, which is added with its first one.
func (w *world) service(stack, name string, replicas uint64, removed bool) {
	w.t.Helper()
	task := specs.TaskSpec{Image: "registry.example/" + name + ":1.4.0"}
	svc := specs.Service{ID: id(name), Created: noon.Add(-time.Hour), Removed: removed, Spec: specs.ServiceSpec{
		Name: stack + "_" + name, Stack: stack, Replicas: &replicas, Task: encoding.HashTaskSpec(task),
	}}
	tx := specs.Transaction{{TaskSpec: &task}, {Service: specs.Insert(svc.ID, svc)}}
	if _, known := w.store.Snapshot().Stack(stack); !known && !removed {
		row := specs.StackRow{Name: stack, Source: specs.MainSource, Revision: commit(2)}
		tx = append(tx, specs.Change{Stack: specs.Insert(stack, row)})
	}
	w.apply(tx...)
}

// task adds a task of a service, made so long before noon.
func (w *world) task(taskID, service string, slot uint64, age time.Duration, want specs.TaskWant, seen specs.TaskSeen) {
	w.t.Helper()
	svc, ok := w.store.Snapshot().Service(id(service))
	if !ok {
		w.t.Fatalf("no service %s", service)
	}
	want.Since = noon.Add(-age)
	if seen.State != specs.StateNew && seen.Since.IsZero() {
		seen.Since = noon.Add(-age)
	}
	task := specs.Task{
		ID: id(taskID), ServiceID: svc.ID, ServiceName: svc.Spec.Name, Slot: slot,
		Spec: svc.Spec.Task, Created: noon.Add(-age), Want: want, Seen: seen,
	}
	w.apply(specs.Change{Task: specs.Insert(task.ID, task)})
}

func wanted(node string) specs.TaskWant {
	return specs.TaskWant{Desired: specs.StateRunning, Node: id(node)}
}

func stopped(node, reason string) specs.TaskWant {
	return specs.TaskWant{Desired: specs.StateShutdown, Node: id(node), Reason: reason}
}

var runs = specs.TaskSeen{State: specs.StateRunning}

func commit(n int) string { return fmt.Sprintf("%040d", n) }

// revision adds a commit of main, n minutes after the hour before noon.
func (w *world) revision(n int, state specs.RevisionState, reason string) {
	w.t.Helper()
	rev := specs.Revision{
		ID: fmt.Sprintf("%010d-%s", n, commit(n)[:7]), Source: specs.MainSource, Commit: commit(n),
		Author: "ana@example", Subject: fmt.Sprintf("web: 1.%d.0", n), Created: noon.Add(-time.Hour + time.Duration(n)*time.Minute),
		Stacks: 2, Changed: []string{"shop"},
	}
	rev.Progress = specs.RevisionProgress{State: state, Since: rev.Created.Add(10 * time.Second), Reason: reason}
	if state == specs.RevisionRefused {
		rev.Changed = nil
		rev.Problems = []specs.Problem{{
			Position: specs.Position{File: "stacks/shop/stack.yml", Line: 12, Column: 17},
			Path:     "services.web.deploy.replicas", Message: `must be a whole number >= 0, got "fife"`,
		}}
	}
	w.apply(specs.Change{Revision: specs.Insert(rev.ID, rev)})
}

// prod is a cluster on an ordinary day: one node silent since the election, one
// task that fits nowhere, one that came back after a crash, one old service that
// is going, and a refused commit after the one that runs.
func prod(t testing.TB) *world {
	w := newWorld(t)
	w.apply(
		specs.Change{Cluster: &specs.Cluster{ID: id("prod"), Name: "prod", Key: []byte("key"), Created: noon.Add(-time.Hour)}},
		specs.Change{Source: specs.Insert(specs.MainSource, specs.Source{Name: specs.MainSource, Branch: "main"})},
		specs.Change{Ref: specs.Insert("refs/heads/main", specs.Ref{Name: "refs/heads/main", Commit: commit(2)})},
		specs.Change{Ref: specs.Insert("refs/heads/try", specs.Ref{Name: "refs/heads/try", Commit: commit(9)})},
	)
	w.node("n1", specs.Manager, specs.NodeReady)
	w.node("n2", specs.Worker, specs.NodeReady)
	w.node("n3", specs.Worker, specs.NodeReady)
	w.silent = map[string]bool{id("n3"): true}
	w.service("shop", "web", 3, false)
	w.service("shop", "api", 1, false)
	w.service("base", "db", 1, false)
	w.service("old", "cron", 1, true)
	w.task("t1", "web", 1, 2*time.Minute, wanted("n1"), runs)
	w.task("t2a", "web", 2, 9*time.Minute, stopped("n2", ""), specs.TaskSeen{State: specs.StateFailed, Err: "exit status 1", Exit: &specs.Exit{Code: 1}})
	w.task("t2b", "web", 2, time.Minute, wanted("n2"), runs)
	w.task("t3", "web", 3, 4*time.Minute, specs.TaskWant{Desired: specs.StateRunning, Reason: "no suitable node (insufficient memory on 3 nodes)"}, specs.TaskSeen{})
	w.task("t4", "api", 1, time.Minute, wanted("n1"), runs)
	w.task("t5", "db", 1, 30*time.Minute, wanted("n3"), runs)
	w.task("t6", "cron", 1, 50*time.Minute, specs.TaskWant{Desired: specs.StateRemove, Node: id("n2"), Reason: "its service was removed"}, runs)
	w.revision(1, specs.RevisionSuperseded, "")
	w.revision(2, specs.RevisionHealthy, "")
	w.revision(3, specs.RevisionRefused, "stacks/shop/stack.yml:12:17: must be a whole number >= 0")
	return w
}

func (w *world) server() *Server {
	return &Server{Cluster: w, Nodes: w, Self: id("n1"), Version: "v0.1.0", Now: func() time.Time { return noon }}
}

func (w *world) Snapshot() store.Snapshot    { return w.store.Snapshot() }
func (w *world) Ready(context.Context) error { return w.unread }
func (w *world) Leader() string              { return w.leader }
func (w *world) Leaderless() time.Duration   { return w.leaderless }
func (w *world) Format() int                 { return 3 }
func (w *world) Heard(node string) bool      { return !w.silent[node] }
func (w *world) DiskTrouble() string         { return w.disk }

func (w *world) Held() string                     { return w.held }
func (w *world) Rotation() string                 { return w.rotation }
func (w *world) Trouble(node string) wire.Trouble { return w.trouble[node] }

func (w *world) Managers() map[string]bool {
	if w.managers != nil {
		return w.managers
	}
	all := make(map[string]bool)
	for node := range w.Snapshot().Nodes() {
		if node.Spec.Role == specs.Manager {
			all[node.ID] = true
		}
	}
	return all
}

func (w *world) Watch() (store.Snapshot, <-chan struct{}) { return w.store.Watch() }

func (w *world) Propose(_ context.Context, tx specs.Transaction) error {
	if before := w.before; before != nil {
		w.before = nil
		before()
	}
	if err := w.refusal; err != nil {
		w.refusal = nil
		return err
	}
	w.index++
	return w.store.Apply(w.index, []specs.Transaction{tx})[0]
}

func (w *world) Forget(ctx context.Context, node specs.Node) error {
	err := w.Propose(ctx, specs.Transaction{{Node: specs.Remove[specs.Node](node.ID, node.SpecVersion)}})
	if err == nil {
		w.forgot = append(w.forgot, node.ID)
	}
	return err
}

func (w *world) Plan(_ context.Context, req PlanRequest) (planner.Plan, error) {
	return planner.Plan{Format: planner.Format, Title: "of " + req.Rev, Verdict: planner.NoChanges}, nil
}

func (w *world) Wait(_ context.Context, rev string, line func(string) error) (specs.Revision, error) {
	for _, text := range w.lines {
		if err := line(text); err != nil {
			return specs.Revision{}, err
		}
	}
	found, _ := currentRevision(w.Snapshot(), specs.MainSource)
	return found.Revision, nil
}

func (w *world) GitURL(context.Context) (GitURLReply, error) {
	return GitURLReply{URL: "http://127.0.0.1:2378/git/main.git", Token: "swarmgit-ABC"}, nil
}
