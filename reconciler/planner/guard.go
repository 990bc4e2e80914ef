package planner

import (
	"fmt"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// minRemoval is how many running tasks a removal must take to be stopped by the
// guard. Fewer are seen at a glance in the plan.
const minRemoval = 10

// guard stops a removal that is too large to be meant: more than half of the
// source's running tasks and at least minRemoval of them, scaling down included,
// or all of two or more stacks. It is what a wrong branch, a lost folder or a bad
// merge look like.
func guard(present store.Snapshot, source string, tx specs.Transaction) (words string, tooLarge bool) {
	draft := present.Draft(present.Index() + 1)
	if err := draft.Apply(tx); err != nil {
		panic(fmt.Sprintf("plan: apply to the state it was made of: %v", err))
	}
	g := removal{after: draft.Frozen()}
	for row := range present.Stacks() {
		if row.Source == source {
			g.stack(present, row.Name)
		}
	}
	switch {
	case g.stacks >= 2:
		return fmt.Sprintf("this removes %d whole stacks (%s)", g.stacks, count(g.lost, "running task")), true
	case g.lost >= minRemoval && 2*g.lost > g.running:
		return fmt.Sprintf("this stops %d of the %d running tasks", g.lost, g.running), true
	}
	return "", false
}

// removal counts what a source loses.
type removal struct {
	after   store.Snapshot // with what is proposed
	running int            // tasks before
	lost    int            // of them, that stop for good
	stacks  int            // that lose all their services
}

func (g *removal) stack(present store.Snapshot, name string) {
	services, removed := 0, 0
	for svc := range present.ServicesOf(name) {
		if svc.Removed {
			continue
		}
		services++
		next, _ := g.after.Service(svc.ID)
		if next.Removed {
			removed++
		}
		running, keep := runningTasks(present, svc.ID), converge.Kept(g.after, next)
		g.running += running
		g.lost += running - int(min(uint64(running), keep))
	}
	if services > 0 && removed == services {
		g.stacks++
	}
}

// runningTasks counts the tasks that run and are meant to.
func runningTasks(snap store.Snapshot, serviceID string) int {
	n := 0
	for task := range snap.TasksOf(serviceID) {
		if task.Wanted() && task.Seen.State == specs.StateRunning {
			n++
		}
	}
	return n
}
