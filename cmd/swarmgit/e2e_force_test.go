package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/runtime/identity"
)

// TestForceNewCluster loses two of three managers for ever. The third goes on
// alone with all that it has, no task notices, and others join it. A manager that
// is back with its old data is let in nowhere.
func TestForceNewCluster(t *testing.T) {
	f := newFleet(t, 3, 1)
	n1, n2, n3, n4 := f.nodes[0], f.nodes[1], f.nodes[2], f.nodes[3]
	ana := f.person(t, n3)
	ana.push(t, map[string]string{"stacks/steady/stack.yml": steadyStack})
	before := f.steady(t)
	commit := note(t, ana)
	f.await(t, "n3 has it too", func() bool {
		out, err := exec.Command("git", "--git-dir", n3.path("data/git"), "rev-parse", "refs/heads/main").Output()
		return err == nil && strings.TrimSpace(string(out)) == commit
	})
	n1.vanish(t)
	n2.vanish(t)
	ghost := &realCluster{dir: t.TempDir(), http: "127.0.0.1:2379", machine: n4.machine, setting: n2.setting}
	ghost.tellOnFailure(t)
	do(t, os.Rename(n2.path("data"), ghost.path("data")))
	n1.wipe(t, "data")
	do(t, os.MkdirAll(ghost.path("clone"), 0o700))

	force := []string{"daemon", "force-new-cluster", "--data-dir", n3.path("data")}
	f.refuses(t, n3, "is in use by another daemon", append(force, "--yes")...)
	do(t, n3.stop())
	out, errs, code := n3.swarmgit(force...)
	if code == 0 {
		t.Error("it was done without --yes")
	}
	wantWords(t, out+errs, "fleet: the newest change", "main: "+shortCommit(commit), "removed: manager n1 at 10.213.77.1:2377: no answer",
		"removed: manager n2 at 10.213.77.2:2377: no answer", "nothing has changed: give --yes")
	f.must(t, n3, append(force, "--yes")...)
	f.nodes, f.managers = []*realCluster{n3, n4}, 1
	f.launch(t, n3)
	f.allVote(t)
	f.await(t, "the worker is back", func() bool { return f.ready() == 2 })
	has(t, f.person(t, n3), commit)

	for i := range 2 {
		n := f.node(t, i)
		n.setting = n3.setting
		n.flags = []string{"--join", n3.machine.addr, "--token", f.token(t, true)}
		t.Cleanup(func() { n.vanish(t) })
		f.launch(t, n)
		f.managers++
		f.await(t, n.name()+" is ready", func() bool { return f.ready() == len(f.nodes) })
	}
	f.allVote(t)
	ben := f.person(t, f.nodes[2])
	has(t, ben, commit)
	note(t, ben)
	for _, n := range []*realCluster{n3, f.nodes[2], f.nodes[3]} { // whoever leads
		f.must(t, n, "git-url", "--with-token")
	}

	t.Cleanup(func() { ghost.vanish(t) })
	f.launch(t, ghost)
	f.await(t, "the old manager is told", func() bool { return strings.Contains(ghost.log(t), "was removed from the cluster") })
	f.refuses(t, ghost, `this node was removed from the cluster, as the manager at 10.213.77.`, "node", "ls")
	f.must(t, ghost, "leave", "--force")
	do(t, ghost.daemon.Wait())
	ghost.daemon = nil
	if _, err := identity.Load(ghost.path("data/identity")); !errors.Is(err, identity.ErrNone) {
		t.Errorf("it has left, and is still a node: %v", err)
	}

	do(t, f.nodes[2].stop())
	f.awaitLeader(t, f.nodes[2])
	f.refuses(t, f.nodes[2], "leads the cluster: start this daemon as it is", "daemon", "force-new-cluster", "--data-dir", f.nodes[2].path("data"), "--yes")
	f.launch(t, f.nodes[2])
	f.allVote(t)
	if diff := cmp.Diff(before, f.steady(t)); diff != "" {
		t.Errorf("tasks were restarted: %s", diff)
	}
	f.noneDown(t)
}
