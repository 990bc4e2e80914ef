package main

import (
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

// TestAManagerWithoutAVote wipes a manager, which joins as a new one, first under an
// address where it is not, then under that of the one it was. Whoever looks is told
// what keeps it, and that the old one is gone. At last all are killed, and one that
// is alone does not claim that the cluster is empty.
func TestAManagerWithoutAVote(t *testing.T) {
	f := newFleet(t, 3, 0)
	n1, n2, n3 := f.nodes[0], f.nodes[1], f.nodes[2]
	old := n3.certified(t).NodeID
	n3.vanish(t)
	n3.wipe(t, "data")

	n3.flags = []string{"--join", n1.machine.addr, "--token", f.token(t, true), "--advertise", "10.213.77.99"}
	f.launch(t, n3)
	f.keptFromVoting(t, n3, "no answer from it at 10.213.77.99:2377: let the other managers reach it there, or start its daemon with the --advertise")

	n3.kill()
	n3.flags = []string{"--advertise", n3.machine.addr}
	f.launch(t, n3)
	f.keptFromVoting(t, n3, "manager "+old+" has that address: if it is gone for good, demote it")
	status := map[string]api.ManagerStatus{}
	nodes, err := f.look()
	do(t, err)
	for _, n := range nodes {
		if n.Seen.Description.Hostname == "n3" {
			status[n.ID] = n.Manager
		}
	}
	if now := n3.certified(t).NodeID; len(status) != 2 || status[old] != api.Unreachable || status[now] != api.Joins {
		t.Errorf("the managers on n3 are %v, want %s out of reach and %s joining", status, old, now)
	}

	f.must(t, n1, "node", "demote", old)
	f.allVote(t)
	for _, n := range f.nodes {
		n.kill()
	}
	f.launch(t, n2)
	const unread = "no manager leads, and this one was started since"
	f.await(t, "n2 says that it has read nothing", func() bool {
		status, err := ask(n2, api.GetStatus.Call, api.Empty{})
		return err == nil && strings.Contains(status.Unread, unread) && status.Managers.Total == 3
	})
	f.refuses(t, n2, unread, "service", "ls")
	f.refuses(t, n2, unread, "events")
	f.launch(t, n1, n3)
	f.allVote(t)
}

// keptFromVoting waits until the leader and the node itself say what keeps it from
// having a vote.
func (f *realFleet) keptFromVoting(t testing.TB, n *realCluster, why string) {
	t.Helper()
	f.await(t, "the leader says what keeps "+n.name(), func() bool {
		status, err := ask(f.nodes[0], api.GetStatus.Call, api.Empty{})
		return err == nil && strings.Contains(strings.Join(status.Nodes.Troubled, "\n"), n.name()+": has no vote as a manager yet: "+why)
	})
	f.await(t, n.name()+" says what keeps it", func() bool {
		_, errs, code := n.swarmgit("status")
		return code == 1 && strings.Contains(errs, "this manager does not take part yet: ") && strings.Contains(errs, why)
	})
}
