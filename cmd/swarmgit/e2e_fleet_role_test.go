package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// certified is who a node is by its certificate, as it lies on its disk.
func (c *realCluster) certified(t testing.TB) wire.Identity {
	t.Helper()
	id, err := identity.Load(c.path("data/identity"))
	if err != nil {
		t.Fatal(err)
	}
	return id.Credentials().Self()
}

// becomes waits until a node has a role, by its certificate and among the voters.
func (f *realFleet) becomes(t testing.TB, n *realCluster, role specs.Role, managers int) {
	t.Helper()
	f.managers = managers
	f.allVote(t)
	f.await(t, n.name()+" is a "+string(role), func() bool { return n.certified(t).Role == role && f.ready() >= 4 })
}

// TestRoles makes nodes managers and workers, removes some, moves one and wipes
// another, all in one cluster.
func TestRoles(t *testing.T) {
	f := newFleet(t, 3, 2)
	n1, n4, n5 := f.nodes[0], f.nodes[3], f.nodes[4]
	f.refuses(t, n1, "node n5 is up: stop its daemon first, or --force", "node", "rm", "n5")
	do(t, n5.stop()) // it is down in a while, and removed then
	ana := f.person(t, f.nodes[1])
	ana.push(t, map[string]string{"stacks/steady/stack.yml": steadyStack})

	f.must(t, n1, "node", "promote", "n4")
	f.becomes(t, n4, specs.Manager, 4)
	wantWords(t, f.must(t, n4, "status"), "4 managers, can lose 1; 3 would do as well")
	f.refuses(t, n1, "node n4 is a manager: demote it first", "node", "rm", "n4")

	leader := f.awaitLeader(t)
	f.must(t, leader, "node", "demote", "self")
	f.becomes(t, leader, specs.Worker, 3)
	if now := f.awaitLeader(t); now == leader {
		t.Error("it was demoted and leads")
	}
	demoted := leader
	f.await(t, "the daemon of a demoted manager has closed what it knew", func() bool {
		_, errs, _ := demoted.swarmgit("node", "ls")
		return strings.Contains(errs, "this node is a worker: ask on the machine of a manager")
	})

	leader = f.awaitLeader(t)
	follower := n4
	if leader == n4 {
		follower = f.managersNow(t, leader)[0]
	}
	f.must(t, leader, "node", "demote", follower.name())
	f.becomes(t, follower, specs.Worker, 2)
	other := f.managersNow(t, leader)[0]
	f.must(t, leader, "node", "demote", other.name())
	f.becomes(t, other, specs.Worker, 1)
	f.refuses(t, leader, "it is the last manager: promote another node first", "node", "demote", leader.name())

	for i, n := range []*realCluster{follower, other} {
		f.must(t, leader, "node", "promote", n.name())
		f.becomes(t, n, specs.Manager, 2+i)
	}
	do(t, ana.sit(leader))
	note(t, ana)

	f.await(t, "n5 is down", func() bool { return f.count(func(n api.Node) bool { return n.Seen.Status == specs.NodeDown }) == 1 })
	f.must(t, leader, "node", "rm", "n5")
	f.launch(t, n5)
	f.await(t, "n5 says that it was removed", func() bool { return strings.Contains(n5.log(t), "the node was removed") })

	f.moves(t, other, demoted)
	f.moves(t, f.awaitLeader(t), demoted)
	do(t, ana.sit(f.awaitLeader(t)))
	note(t, ana)
}

// moves restarts a manager at another port: the others find it there.
func (f *realFleet) moves(t *testing.T, n, witness *realCluster) {
	t.Helper()
	n.kill()
	n.flags = append(n.flags, "--listen", "0.0.0.0:2399")
	f.launch(t, n)
	f.await(t, n.name()+" is found there", func() bool {
		_, errs, _ := witness.swarmgit("node", "ls") // a worker names the managers
		return strings.Contains(errs, n.machine.addr+":2399")
	})
	f.allVote(t)
}

// managersNow are the managers by their certificates, but one.
func (f *realFleet) managersNow(t testing.TB, but *realCluster) (all []*realCluster) {
	for _, n := range f.nodes {
		if n != but && n.daemon != nil && n.certified(t).Role == specs.Manager {
			all = append(all, n)
		}
	}
	return all
}

// TestAManagerThatCannotBeOne promotes a worker whose node port is in use: it goes on
// as a worker, also after a restart, says why, and is a manager once the port is free.
func TestAManagerThatCannotBeOne(t *testing.T) {
	f := newFleet(t, 1, 1)
	leader, worker := f.nodes[0], f.nodes[1]
	ana := f.person(t, leader)
	ana.push(t, map[string]string{"stacks/steady/stack.yml": steadyStack})
	before := f.steady(t)
	taken := worker.machine.listen(t, "0.0.0.0:"+defaultPort)
	const why = "this node is to be a manager and cannot be one yet: listen on"
	lacks := func() bool {
		out, _, _ := leader.swarmgit("status")
		_, errs, _ := worker.swarmgit("status")
		return strings.Contains(out, "n2: "+why) && strings.Contains(errs, why) && f.ready() == 2
	}
	f.must(t, leader, "node", "promote", "n2")
	f.await(t, "it says why it is none", lacks)
	if now := f.steady(t); !slices.Equal(now, before) {
		t.Errorf("its tasks are %q, they were %q", now, before)
	}
	do(t, worker.stop())
	worker.flags = nil
	f.launch(t, worker)
	f.await(t, "it says so again", lacks)
	do(t, taken.Close())
	f.managers = 2
	f.allVote(t)
}
