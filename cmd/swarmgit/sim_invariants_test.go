package main

import (
	"maps"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// wantInvariants checks what is true of a cluster at any moment.
func (c *simCluster) wantInvariants() {
	c.Helper()
	c.wantAcknowledged()
	c.wantOneTaskPerSlot()
	c.wantOneStartPerTask()
	c.wantOneState()
	snap := c.snapshot()
	if before, after := snap.Digest(), c.digestAfterRestore(snap); before != after {
		c.Errorf("digest %s before a restore, %s after it", before.Short(), after.Short())
	}
}

// wantAcknowledged: a push that was told ok is in the store.
func (c *simCluster) wantAcknowledged() {
	c.Helper()
	if at := c.main(); at != c.head && !c.unknown[at] {
		c.Errorf("main is at %q, and %q was acknowledged", at, c.head)
	}
	for commit, subject := range c.acked {
		if rev := c.revision(commit); rev.Subject != subject {
			c.Errorf("the acknowledged commit %s is the revision %+v", commit, rev)
		}
	}
}

// main is the commit that the cluster is at.
func (c *simCluster) main() string {
	ref, _ := c.snapshot().Ref("refs/heads/main")
	return ref.Commit
}

// wantOneState: the managers, left alone, hold the same.
func (c *simCluster) wantOneState() {
	c.Helper()
	c.awaitManagers()
	snap := c.snapshot()
	for _, n := range c.managers() {
		other := n.managing().Snapshot()
		if other.Index() == snap.Index() && other.Digest() != snap.Digest() {
			c.Errorf("manager %s has another state at index %d", n.id, snap.Index())
		}
	}
}

// wantOneTaskPerSlot: no slot has two processes, whatever is being replaced. It
// is called after every start.
func (c *simCluster) wantOneTaskPerSlot() {
	c.mu.Lock()
	for n := range c.lost {
		for id := range n.running() {
			c.excused[id] = true
		}
	}
	excused := maps.Clone(c.excused)
	c.mu.Unlock()
	for slot, tasks := range c.running() {
		maps.DeleteFunc(tasks, func(id string, _ bool) bool { return excused[id] })
		if len(tasks) > 1 {
			c.Errorf("%s runs more than once: tasks %v", slot, slices.Sorted(maps.Keys(tasks)))
		}
	}
}

// setLost excuses what some machines run until that is said again of others.
func (c *simCluster) setLost(some ...*simNode) {
	c.wantOneTaskPerSlot() // excuses what the lost ones have started to the end
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.lost)
	for _, n := range some {
		c.lost[n] = true
	}
}

// excuse names tasks that may run on beside their successors: nobody can reach
// them, as on a lost node.
func (c *simCluster) excuse(ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		c.excused[id] = true
	}
}

// wantOneStartPerTask: a task never runs twice, on no node and after no restart.
func (c *simCluster) wantOneStartPerTask() {
	c.Helper()
	starts := make(map[string]int)
	for _, n := range c.nodes {
		for id, count := range n.engine.Starts() {
			starts[id] += count
		}
	}
	for id, count := range starts {
		if count > 1 {
			c.Errorf("task %s was started %d times", id, count)
		}
	}
}

// running is what the nodes run now: name of the task, which is its slot -> task IDs.
func (c *simCluster) running() map[string]map[string]bool {
	running := make(map[string]map[string]bool)
	for _, n := range c.nodes {
		for _, task := range n.engine.Running() {
			if running[task.Name] == nil {
				running[task.Name] = make(map[string]bool)
			}
			running[task.Name][task.ID] = true
		}
	}
	return running
}

// running is the IDs of the tasks that the node runs.
func (n *simNode) running() map[string]bool {
	ids := make(map[string]bool)
	for _, task := range n.engine.Running() {
		ids[task.ID] = true
	}
	return ids
}

// happened counts as the plan does, but what the nodes run, not what the store
// says of it.
func (c *simCluster) happened(before map[string]map[string]bool) planner.Totals {
	after := c.running()
	slots := maps.Clone(after)
	maps.Copy(slots, before)
	var t planner.Totals
	for slot := range slots {
		same := false
		for id := range after[slot] {
			same = same || before[slot][id]
		}
		switch had, has := len(before[slot]) > 0, len(after[slot]) > 0; {
		case same:
			t.Untouched++
		case had && has:
			t.Restart++
		case has:
			t.Start++
		case had:
			t.Stop++
		}
	}
	t.Pending = len(pendingTasks(c.snapshot()))
	return t
}

func pendingTasks(snap store.Snapshot) []specs.Task {
	var pending []specs.Task
	for task := range snap.UnassignedTasks() {
		if task.Wanted() {
			pending = append(pending, task)
		}
	}
	return pending
}

// wantEnded checks how a revision ended: healthy, overtaken, or paused with a
// cause.
func (c *simCluster) wantEnded(rev specs.Revision) {
	c.Helper()
	switch p := rev.Progress; {
	case p.State == specs.RevisionHealthy, p.State == specs.RevisionSuperseded:
	case p.State == specs.RevisionPaused && p.Reason != "":
	default:
		c.Errorf("revision %s ended as %q: %q", rev.ID, p.State, p.Reason)
	}
}

// wantConverged checks a cluster that is left alone: each slot that has a node
// runs one task of its service's spec, unless the rollout is paused, and the nodes have nothing that the
// cluster does not know.
func (c *simCluster) wantConverged() {
	c.Helper()
	snap := c.snapshot()
	running := c.running()
	for svc := range snap.Services() {
		if svc.Removed {
			c.Errorf("%s is removed and still here", svc.Spec.Name)
			continue
		}
		c.wantSlots(snap, svc, running)
	}
	for slot, tasks := range running {
		c.Errorf("%s runs and is not wanted: %v", slot, tasks)
	}
	for _, n := range c.nodes {
		found, err := n.engine.List(c.Context())
		if err != nil {
			c.Fatal(err)
		}
		for _, f := range found {
			if _, known := snap.Task(f.ID); !known {
				c.Errorf("node %s keeps task %s, which the cluster has forgotten", n.id, f.ID)
			}
		}
	}
}

// wantSlots takes what the service may run out of running.
func (c *simCluster) wantSlots(snap store.Snapshot, svc specs.Service, running map[string]map[string]bool) {
	c.Helper()
	paused := svc.Rollout.State == specs.RolloutPaused // then slots may keep what they had
	slots := uint64(0)
	for task := range snap.TasksOf(svc.ID) {
		if !task.Wanted() {
			continue
		}
		slots++
		name := task.Name()
		runs := running[name]
		delete(running, name)
		switch {
		case task.Want.Node == "" && len(runs) == 0 && task.Want.Reason != "": // pending
		case runs[task.ID] && task.Seen.State == specs.StateRunning && (paused || task.Spec == svc.Spec.Task):
		default:
			c.Errorf("%s does not run its spec: the nodes run %v", name, slices.Sorted(maps.Keys(runs)))
		}
	}
	if wanted := converge.Wanted(snap, svc); slots != wanted {
		c.Errorf("%s has %d slots with a task, want %d", svc.Spec.Name, slots, wanted)
	}
	if c.Failed() {
		c.ps(svc)
	}
}

// ps logs the tasks of a service.
func (c *simCluster) ps(svc specs.Service) {
	c.Logf("%s wants %d of %s, rollout %s %s", svc.Spec.Name, converge.Wanted(c.snapshot(), svc), svc.Spec.Task.Short(),
		svc.Rollout.State, svc.Rollout.Message)
	for task := range c.snapshot().TasksOf(svc.ID) {
		c.Logf("    %s %s of %s on %q since %s, desired %s since %s: %s %s", task.Name(), task.State(), task.Spec.Short(), task.Want.Node,
			task.Seen.Since.Format(time.StampMilli), task.Want.Desired, task.Want.Since.Format(time.StampMilli), task.Want.Reason, task.Seen.Err)
	}
}
