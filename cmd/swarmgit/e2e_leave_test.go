package main

import (
	"os"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestMayLeave(t *testing.T) {
	for _, tc := range []struct {
		managers, nodes int
		want            []string
	}{
		{1, 1, []string{"this node is the only manager", "its services, its revisions and its Git repository are lost: --force"}},
		{1, 3, []string{"this node is the only manager", "repository are lost, and with them what leads 2 other nodes: --force"}},
		{2, 2, []string{"one of 2 managers", "2 of 2 have to agree", "swarmgit node demote self", "--force"}},
		{3, 9, []string{"one of 3 managers", "2 of 3 have to agree", "swarmgit node demote self", "--force"}},
	} {
		err := mayLeave(tc.managers, tc.nodes)
		if wire.KindOf(err) != wire.InvalidArgument {
			t.Fatalf("%d managers, %d nodes: %v", tc.managers, tc.nodes, err)
		}
		wantWords(t, err.Error(), tc.want...)
	}
}

// hasLeft demands that the node's daemon has ended by itself and that its
// machine is none any more.
func (c *realCluster) hasLeft(t *testing.T) {
	t.Helper()
	if err := c.daemon.Wait(); err != nil {
		t.Errorf("the daemon of a node that left: %v", err)
	}
	c.daemon = nil
	for _, name := range []string{"identity", "agent", "raft", "git", "logs", "settings.json"} {
		if _, err := os.Stat(c.path("data/" + name)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	_, errs, code := c.swarmgit("daemon", "--data-dir", c.path("data"), "--socket", c.path("sock"))
	if code != 1 {
		t.Errorf("a daemon of no node exits %d", code)
	}
	wantWords(t, errs, "holds no node yet", "--init", "--join")
}

// The last manager takes the cluster with it: what ran is gone, images stay.
func TestLeaveOfTheLastManager(t *testing.T) {
	c := ownCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	processes := processesOf(t, c.running(t))
	_, errs, code := c.swarmgit("leave")
	if code != 1 || len(c.running(t)) != 2 {
		t.Errorf("without --force it exits %d, and %d tasks run", code, len(c.running(t)))
	}
	wantWords(t, errs, "swarmgit: leave: refused: this node is the only manager")

	out, errs, code := c.swarmgit("leave", "--force")
	if code != 0 {
		t.Fatalf("exits %d: %s%s", code, out, errs)
	}
	wantWords(t, out, "the cluster ends with its last manager", "stopping its tasks", "this node has left")
	c.hasLeft(t)
	wantEnded(t, processes)
	if err := c.start(); err != nil { // with --init
		t.Fatal(err)
	}
	out, _, _ = c.swarmgit("image", "ls")
	wantWords(t, out, "e2e/app")
	if left := c.tasks(t); len(left) > 0 {
		t.Errorf("the new cluster has %d tasks", len(left))
	}
}

// A worker that leaves is forgotten, and its tasks are replaced; a manager that is
// forced gives up its vote first.
// Who looks at a worker that was removed reads it there, also after a restart, and
// what to do.
func TestAWorkerThatWasRemovedSaysSo(t *testing.T) {
	c := memoryCluster(t)
	token, err := ask(c, api.GetJoinToken.Call, api.JoinTokenRequest{Role: specs.Worker})
	if err != nil {
		t.Fatal(err)
	}
	w := memoryNode(t, "--join", token.Addr, "--token", token.Token)
	do(t, os.Mkdir(w.path("clone"), 0o700)) // where commands run
	told := w.supervise(t)
	do(t, w.launch())
	wantWords(t, told("READY=1"), "STATUS=worker ")
	w.await(t, "it is a worker", func() bool {
		_, errs, _ := w.swarmgit("status")
		return errs == "swarmgit: this node is a worker: ask on the machine of a manager: "+token.Addr+"\n"
	})
	nodes, err := ask(c, api.ListNodes.Call, api.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes.Nodes {
		if node.Spec.Role == specs.Worker {
			if _, errs, code := c.swarmgit("node", "rm", "--force", node.ID); code != 0 {
				t.Fatal(errs)
			}
		}
	}
	says := func(when string) {
		w.await(t, "it says that it was removed, "+when, func() bool {
			_, errs, code := w.swarmgit("status")
			return code == 1 && errs == "swarmgit: this node was removed from the cluster, as the manager at "+token.Addr+" says: what runs here goes on, and nobody looks after it: "+
				`end it with "swarmgit leave", then join the cluster again with what "swarmgit join-token" prints there`+"\n"
		})
	}
	says("at once")
	w.await(t, "the service manager is told, too", func() bool {
		return strings.Contains(told("WATCHDOG=1"), "STATUS=this node was removed from the cluster: what runs here goes on")
	})
	do(t, w.stop())
	do(t, w.launch())
	says("after a restart")
	if out, errs, code := w.swarmgit("leave"); code != 0 {
		t.Fatal(out, errs)
	}
	w.hasLeft(t)
}

func TestLeaveAFleet(t *testing.T) {
	f := newFleet(t, 3, 2)
	person := f.person(t, f.nodes[0])
	person.push(t, map[string]string{"stacks/steady/stack.yml": steadyStack})
	worker, manager := f.nodes[4], f.nodes[2]
	_, errs, _ := worker.swarmgit("image", "ls")
	wantWords(t, errs, "this node's executor has no images") // it answers for itself
	f.must(t, worker, "leave")
	worker.hasLeft(t)
	f.await(t, "the others run its tasks", func() bool { return len(person.running(t)) == 4 })
	if left := f.count(func(n api.Node) bool { return n.Seen.Status == specs.NodeReady }); left != 4 {
		t.Errorf("%d nodes are ready", left)
	}
	_, errs, _ = manager.swarmgit("leave")
	wantWords(t, errs, "one of 3 managers", "2 of 3")
	f.must(t, manager, "leave", "--force")
	manager.hasLeft(t)
	f.managers = 2
	f.allVote(t)
	out := f.must(t, f.nodes[1], "status")
	wantWords(t, out, "3 nodes ready, 2 managers (can lose 0)")
	if len(person.running(t)) != 4 {
		t.Error("a manager that left took tasks with it")
	}
}
