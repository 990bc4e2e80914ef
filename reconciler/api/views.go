package api

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// count tells how many tasks of a service run and how many should.
func count(snap store.Snapshot, svc specs.Service) (running, wanted int) {
	for task := range snap.TaskRowsOf(svc.ID) {
		if converge.Runs(snap, task) {
			running++
		}
	}
	return running, int(converge.Wanted(snap, svc))
}

func serviceView(snap store.Snapshot, svc specs.Service) Service {
	view, key := Service{Service: svc}, snap.Cluster().Key
	view.Running, view.Wanted = count(snap, svc)
	task, _ := snap.TaskSpec(svc.Spec.Task)
	view.Task = planner.Redact(task, key)
	hashes := []*specs.Hash{&view.Spec.Task, &view.Rollout.Target, &view.Rollout.Completed}
	if svc.Rollout.Under != nil {
		under := *svc.Rollout.Under
		view.Rollout.Under = &under
		hashes = append(hashes, &under.Task)
	}
	for _, h := range hashes {
		*h = planner.RedactHash(*h, key)
	}
	return view
}

func taskView(snap store.Snapshot, task specs.Task) Task {
	view := Task{Task: task, Name: task.Name(), State: task.State()}
	if spec, ok := snap.TaskSpec(task.Spec); ok {
		view.Image = spec.Image
		if task.State() == specs.StateRunning {
			view.Ports = spec.HostPorts
		}
	}
	view.Spec = planner.RedactHash(task.Spec, snap.Cluster().Key)
	view.Hostname = hostname(snap, task)
	return view
}

// hostname is what the node of a task calls itself; "" if it has none, or one that is
// gone.
func hostname(snap store.Snapshot, task specs.Task) string {
	node, _ := snap.Node(task.Node())
	return node.Seen.Description.Hostname
}

// self is the node whose daemon was asked: a manager that passes the request of
// a person on calls in its own name.
func (s *Server) self(ctx context.Context) string {
	if peer, ok := wire.Peer(ctx); ok {
		return peer.NodeID
	}
	return s.Self
}

func (s *Server) nodeView(ctx context.Context, snap store.Snapshot, node specs.Node) Node {
	view := Node{Node: node, Self: node.ID == s.self(ctx), Manager: s.managerStatus(node)}
	view.Seen.Status = s.nodeStatus(node)
	view.Seen.Description.Runtimes = runtimeNames(node.Seen.Description.Runtimes)
	for task := range snap.TasksOn(node.ID) {
		if task.State() == specs.StateRunning {
			view.Tasks++
		}
	}
	return view
}

// runtimeNames are the runtimes of a node as people call them.
func runtimeNames(runtimes []string) []string {
	named := slices.Clone(runtimes)
	for i, runtime := range named {
		if runtime == specs.RuntimeContainer {
			named[i] = "container"
		}
	}
	return named
}

// nodeStatus is how the node is as far as the leader knows it in this term.
func (s *Server) nodeStatus(node specs.Node) specs.NodeStatus {
	if node.Seen.Status == specs.NodeReady && !s.Cluster.Heard(node.ID) {
		return specs.NodeUnknown
	}
	return node.Seen.Status
}

// lateRenewal says in which last part of a certificate's life, a tenth, its renewal
// is overdue: a node renews it before the last fifth.
const lateRenewal = 10

func (s *Server) nodeCounts(snap store.Snapshot) NodeCounts {
	var c NodeCounts
	overdue := s.Now().Add(snap.Authority().Lifetime() / lateRenewal)
	for node := range snap.Nodes() {
		c.Total++
		switch s.nodeStatus(node) {
		case specs.NodeReady:
			c.Ready++
		case specs.NodeDown:
			c.Down = append(c.Down, node.Name())
		}
		switch node.Spec.Availability {
		case specs.Drain:
			c.Drained = append(c.Drained, node.Name())
		case specs.Pause:
			c.Paused = append(c.Paused, node.Name())
		}
		if until := node.Seen.Certificate.NotAfter; !until.IsZero() && until.Before(overdue) {
			c.Expiring = append(c.Expiring, NodeExpiry{node.Name(), until})
		}
		for _, trouble := range s.troublesOf(node) {
			c.Troubled = append(c.Troubled, node.Name()+": "+trouble)
		}
	}
	for _, names := range [][]string{c.Down, c.Drained, c.Paused} {
		slices.Sort(names)
	}
	slices.SortFunc(c.Expiring, func(a, b NodeExpiry) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Node, b.Node))
	})
	slices.Sort(c.Troubled)
	return c
}

// troublesOf is what the operator should know of a node, but for this manager's disk,
// of which the status tells first.
func (s *Server) troublesOf(node specs.Node) []string {
	trouble := s.Nodes.Trouble(node.ID)
	if node.ID == s.Self {
		trouble.Disk = ""
	}
	return slices.DeleteFunc([]string{trouble.Node, trouble.Disk}, func(words string) bool { return words == "" })
}

// stackCounts counts every stack's tasks, by name.
func stackCounts(snap store.Snapshot) []StackCount {
	counts := []StackCount{}
	for stack := range snap.Stacks() {
		counts = append(counts, stackCount(snap, stack.Name))
	}
	return counts
}

func stackCount(snap store.Snapshot, name string) StackCount {
	c := StackCount{Name: name}
	for svc := range snap.ServicesOf(name) {
		running, wanted := count(snap, svc)
		c.Running, c.Wanted, c.Services = c.Running+running, c.Wanted+wanted, c.Services+1
	}
	return c
}

// troubles lists the wanted tasks that do not run and say why, those that wait
// longest first.
func troubles(snap store.Snapshot) []TaskTrouble {
	var found []TaskTrouble
	for svc := range snap.Services() {
		if !svc.Removed {
			found = append(found, serviceTroubles(snap, svc)...)
		}
	}
	slices.SortFunc(found, func(a, b TaskTrouble) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Task, b.Task))
	})
	return found
}

func serviceTroubles(snap store.Snapshot, svc specs.Service) []TaskTrouble {
	alike := make(map[TaskTrouble]*TaskTrouble) // by state and reason
	for task, lastErr := range newest(snap, svc) {
		reason := cmp.Or(task.Want.Reason, task.Seen.Err)
		if reason == "" && lastErr != "" {
			reason = "the task before it: " + strings.TrimPrefix(lastErr, "task: ")
		}
		if reason == "" || task.State() == specs.StateRunning || task.State() == specs.StateShutdown {
			continue // shut down is as asked: its node is drained, or no place for it any more
		}
		key := TaskTrouble{State: task.State(), Reason: reason}
		if first, ok := alike[key]; ok {
			first.Others++
			if since := latest(*task); since.Before(first.Since) {
				first.Since = since
			}
			continue
		}
		t := trouble(snap, svc, *task, reason)
		alike[key] = &t
	}
	var found []TaskTrouble
	for _, t := range alike {
		found = append(found, *t)
	}
	return found
}

// newest yields the newest task of each slot that stays, and the last error of the
// slot's tasks.
func newest(snap store.Snapshot, svc specs.Service) iter.Seq2[*specs.Task, string] {
	return func(yield func(*specs.Task, string) bool) {
		var current *specs.Task
		lastErr := ""
		for task := range snap.TaskRowsOf(svc.ID) { // by slot, oldest first within one
			if task.Want.Desired == specs.StateRemove {
				continue // its slot is going
			}
			if current != nil && current.SlotID() != task.SlotID() {
				if !yield(current, lastErr) {
					return
				}
				lastErr = ""
			}
			current, lastErr = task, cmp.Or(task.Seen.Err, lastErr)
		}
		if current != nil {
			yield(current, lastErr)
		}
	}
}

func trouble(snap store.Snapshot, svc specs.Service, task specs.Task, reason string) TaskTrouble {
	return TaskTrouble{
		Stack: svc.Spec.Stack, Task: task.Name(), Node: hostname(snap, task),
		State: task.State(), Since: latest(task), Reason: reason,
	}
}

// latest is when the task got into the state in which it is.
func latest(task specs.Task) time.Time {
	if !task.Seen.Since.IsZero() {
		return task.Seen.Since
	}
	if !task.Want.Since.IsZero() {
		return task.Want.Since
	}
	return task.Created
}
