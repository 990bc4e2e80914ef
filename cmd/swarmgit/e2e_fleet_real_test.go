package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

// TestContainersOutliveTheCluster kills the only manager, and the daemon of a
// worker: the containers on both go on, and are found again.
func TestContainersOutliveTheCluster(t *testing.T) {
	f := &realFleet{machines: newMachines(t, 2), managers: 1}
	for i := range f.hosts {
		n := f.node(t, i)
		t.Cleanup(func() { do(t, n.end()) })
		f.join(t, n, i == 0)
		do(t, n.loadImages())
	}
	ana := f.person(t, f.nodes[0])
	ana.push(t, shop("e2e/app:1", 4))
	before := ana.running(t)
	on := map[string]int{}
	for _, task := range before {
		on[task.Hostname]++
	}
	if on["n1"] != 2 || on["n2"] != 2 {
		t.Fatalf("tasks are at %v", on)
	}
	for _, n := range f.nodes {
		n.kill()
	}
	allRun(t, before)
	f.launch(t, f.nodes[1])
	f.await(t, "the worker looks for its manager", func() bool { return strings.Contains(f.nodes[1].log(t), "no session with a manager") })
	allRun(t, before)
	f.launch(t, f.nodes[0])
	f.allVote(t)
	f.await(t, "both are back", func() bool { return f.ready() == 2 })
	ana.push(t, shop("e2e/app:1", 5))
	after := ana.running(t)
	if len(after) != 5 {
		t.Fatalf("%d tasks run", len(after))
	}
	if err := sameProcesses(before, after[:4]); err != nil {
		t.Error(err)
	}
}

func allRun(t testing.TB, tasks []api.Task) {
	t.Helper()
	for _, task := range tasks {
		if err := syscall.Kill(task.Seen.PID, 0); err != nil {
			t.Errorf("%s, process %d: %v", task.Name, task.Seen.PID, err)
		}
	}
}
