package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

// note has a person push a commit that changes nothing else, and returns it.
func note(t testing.TB, p *realCluster) string {
	t.Helper()
	p.mustGit(t, "fetch", "--quiet", "swarm")
	p.mustGit(t, "reset", "--quiet", "--hard", "swarm/main")
	p.push(t, nil, "-o", "no-wait")
	return strings.TrimSpace(p.mustGit(t, "rev-parse", "HEAD"))
}

// has checks that the branch holds a commit, as a node tells it.
func has(t testing.TB, p *realCluster, commit string) {
	t.Helper()
	p.mustGit(t, "fetch", "--quiet", "swarm")
	if out, err := p.git("merge-base", "--is-ancestor", commit, "swarm/main"); err != nil {
		t.Errorf("%s is lost: %v %s", commit, err, out)
	}
}

// do fails the test if something was not done.
func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cutLeader unplugs the leader: it acknowledges nothing more, the others go on,
// and it follows them once it is back.
func cutLeader(t *testing.T, f *realFleet) {
	leader := f.awaitLeader(t)
	alone, ana := f.person(t, leader), f.person(t, f.followers(leader)[0])
	alone.commit(t, nil)
	do(t, f.cut(leader.machine))
	refused := make(chan string)
	go func() {
		out, err := alone.git("push", "-o", "no-wait", "swarm", "main")
		if err == nil {
			out = "it was taken: " + out
		}
		refused <- out
	}()
	f.away = leader
	f.awaitLeader(t, leader)
	commit := note(t, ana)
	wantWords(t, <-refused, "swarmgit: ")
	do(t, f.plug(leader.machine))
	f.away = nil
	f.allVote(t)
	has(t, alone, commit)
}

// cutFollower unplugs another manager: pushes go on, and no machine is told to join
// through it.
func cutFollower(t *testing.T, f *realFleet) {
	leader := f.awaitLeader(t)
	others := f.followers(leader)
	do(t, f.cut(others[0].machine))
	f.away = others[0]
	f.await(t, "the leader misses it", func() bool { return f.votes() == f.managers-1 })
	offered := func(managers int) {
		t.Helper()
		f.await(t, fmt.Sprintf("%d managers are offered", managers), func() bool {
			return strings.Count(f.must(t, leader, "join-token", "worker"), " --join ") == managers
		})
	}
	offered(f.managers - 1)
	commit := note(t, f.person(t, others[1]))
	do(t, f.plug(others[0].machine))
	f.away = nil
	f.allVote(t)
	offered(f.managers)
	has(t, f.person(t, others[0]), commit)
}

// muteLeader has the leader heard by nobody: another leads.
func muteLeader(t *testing.T, f *realFleet) {
	leader := f.awaitLeader(t)
	others := f.followers(leader)
	for _, other := range others {
		do(t, leader.machine.mute(other.machine))
	}
	f.away = leader
	f.awaitLeader(t, leader)
	commit := note(t, f.person(t, others[0]))
	for _, other := range others {
		do(t, leader.machine.unmute(other.machine))
	}
	f.away = nil
	f.allVote(t)
	has(t, f.person(t, leader), commit)
}

// muteFollower has one manager not heard by the leader.
func muteFollower(t *testing.T, f *realFleet) {
	leader := f.awaitLeader(t)
	others := f.followers(leader)
	do(t, others[0].machine.mute(leader.machine))
	f.away = others[0]
	f.await(t, "the leader misses it", func() bool { return f.votes() == f.managers-1 })
	commit := note(t, f.person(t, others[1]))
	do(t, others[0].machine.unmute(leader.machine))
	f.away = nil
	f.allVote(t)
	has(t, f.person(t, others[0]), commit)
}

// allKilled has no manager left, until the workers have noticed.
func allKilled(t *testing.T, f *realFleet) {
	commit := note(t, f.person(t, f.nodes[0]))
	logs := map[*realCluster]int{}
	for _, n := range f.nodes[f.managers:] {
		logs[n] = len(n.log(t))
	}
	for _, n := range f.nodes[:f.managers] {
		n.kill()
	}
	for n, length := range logs {
		f.await(t, n.name()+" misses the managers", func() bool { return strings.Contains(n.log(t)[length:], "no session with a manager") })
	}
	f.launch(t, f.nodes[:f.managers]...)
	f.allVote(t)
	f.await(t, "the workers are back", func() bool { return f.ready() == len(f.nodes) })
	has(t, f.person(t, f.nodes[1]), commit)
}

// log is all that the daemon said.
func (c *realCluster) log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(c.path("daemon.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// staggered kills all managers and starts one after the other.
func staggered(t *testing.T, f *realFleet) {
	commit := note(t, f.person(t, f.nodes[2]))
	for _, n := range f.nodes[:f.managers] {
		n.kill()
	}
	length := len(f.nodes[1].log(t))
	f.launch(t, f.nodes[1])
	f.await(t, "one is up", func() bool { return strings.Contains(f.nodes[1].log(t)[length:], "swarmgit is up") })
	f.launch(t, f.nodes[2])
	f.awaitLeader(t)
	has(t, f.person(t, f.nodes[1]), commit)
	f.launch(t, f.nodes[0])
}

// wipedManager loses the disk of a manager: it comes back, catches up, and its
// vote counts.
func wipedManager(t *testing.T, f *realFleet) {
	leader := f.awaitLeader(t)
	others := f.followers(leader)
	commit := note(t, f.person(t, leader))
	others[0].kill()
	for _, dir := range []string{"data/raft", "data/git"} {
		others[0].wipe(t, dir)
	}
	f.launch(t, others[0])
	f.await(t, "it has its vote again", func() bool {
		_, err := ask(others[0], api.GitURL.Call, api.Empty{}) // that it answers itself
		return err == nil && f.votes() == f.managers
	})
	others[1].kill()
	p := f.person(t, others[0])
	has(t, p, commit)
	note(t, p) // needs the vote of the wiped one, and its copy
	f.launch(t, others[1])
}

// wipe removes what a daemon that was killed had there.
func (c *realCluster) wipe(t testing.TB, dir string) {
	t.Helper()
	do(t, c.gitsEnd())
	do(t, os.RemoveAll(c.path(dir)))
}

// TestLostWorker cuts a worker off until its tasks are replaced. When it is back
// it stops those, and nothing else.
func TestLostWorker(t *testing.T) {
	f := newFleet(t, 1, 2)
	ana := f.person(t, f.nodes[0])
	ana.push(t, map[string]string{"stacks/steady/stack.yml": steadyStack})
	before, lost := f.steady(t), f.nodes[2]
	isThere := func(line string) bool { return strings.Contains(line, " "+lost.name()+" ") }
	do(t, f.cut(lost.machine))
	var replaced []string
	f.await(t, "its tasks are replaced", func() bool {
		replaced = f.steady(t)
		return f.ready() == 2 && !slices.ContainsFunc(replaced, isThere)
	})
	for _, line := range before {
		if !isThere(line) && !slices.Contains(replaced, line) {
			t.Errorf("%s was elsewhere, and was replaced: %q", line, replaced)
		}
	}
	do(t, f.plug(lost.machine))
	f.await(t, "it is back, and has stopped its tasks", func() bool {
		reply, err := ask(ana, api.ListTasks.Call, api.ListTasksRequest{Nodes: []string{lost.name()}})
		for _, task := range reply.Tasks {
			if !task.State.Final() {
				return false
			}
		}
		return err == nil && f.ready() == 3
	})
	if now := f.steady(t); strings.Join(now, ",") != strings.Join(replaced, ",") {
		t.Errorf("tasks changed when it came back: %q, then %q", replaced, now)
	}
}

// TestStoppedManager stops the only manager's process until its worker has been silent
// to it for too long, and has it go on: no task notices.
func TestStoppedManager(t *testing.T) {
	f := newFleet(t, 1, 1)
	manager, worker := f.nodes[0], f.nodes[1]
	f.person(t, manager).push(t, map[string]string{"stacks/steady/stack.yml": steadyStack})
	before, said := f.steady(t), len(worker.log(t))
	do(t, manager.daemon.Process.Signal(syscall.SIGSTOP))
	f.await(t, "the worker has missed three heartbeats", func() bool {
		log := worker.log(t)[said:]
		return strings.Contains(log, "heartbeat: no answer") && strings.Contains(log, "no answer in 5s")
	})
	do(t, manager.daemon.Process.Signal(syscall.SIGCONT))
	f.await(t, "it has its session again", func() bool {
		return strings.Contains(worker.log(t)[said:], "session opened") && f.ready() == 2
	})
	if after := f.steady(t); !slices.Equal(before, after) {
		t.Errorf("tasks before: %q, and after: %q", before, after)
	}
	if !strings.Contains(manager.log(t), "this manager has stood still") {
		t.Error("the manager has not noticed that it stood still")
	}
}
