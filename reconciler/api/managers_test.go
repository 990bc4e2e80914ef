package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

func TestQuorum(t *testing.T) {
	for _, c := range []struct{ managers, quorum, canLose int }{
		{1, 1, 0}, {2, 2, 0}, {3, 2, 1}, {4, 3, 1}, {5, 3, 2}, {6, 4, 2}, {7, 4, 3}, {8, 5, 3}, {9, 5, 4},
	} {
		if q, lose := quorum(c.managers), canLose(c.managers, c.managers); q != c.quorum || lose != c.canLose {
			t.Errorf("%d managers: quorum %d, can lose %d, want %d and %d", c.managers, q, lose, c.quorum, c.canLose)
		}
	}
	for _, c := range []struct{ managers, reachable, want int }{
		{0, 0, 0}, {3, 2, 0}, {3, 1, 0}, {5, 4, 1}, {5, 3, 0}, {7, 5, 1},
	} {
		if got := canLose(c.managers, c.reachable); got != c.want {
			t.Errorf("%d of %d managers reachable: can lose %d, want %d", c.reachable, c.managers, got, c.want)
		}
	}
}

func TestAdvice(t *testing.T) {
	for n, want := range map[int]string{
		0: "", 1: "", 3: "", 5: "", 7: "",
		2:  "2 managers, can lose 0; 1 would do as well, 3 can lose 1",
		4:  "4 managers, can lose 1; 3 would do as well",
		6:  "6 managers, can lose 2; 5 would do as well",
		8:  "8 managers, can lose 3; 7 are enough (can lose 3), and quicker to agree",
		11: "11 managers, can lose 5; 7 are enough (can lose 3), and quicker to agree",
	} {
		if got := advice(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestMayDemote(t *testing.T) {
	const last = "demote n1: refused: it is the last manager: promote another node first (swarmgit node promote NODE)"
	for _, c := range []struct {
		name     string
		managers string // one letter each, n1 first: r reached, u not, w reached and to become a worker, j joining
		want     string
	}{
		{"the only one", "r", last},
		{"the only one, not reached", "u", last},
		{"the other is still joining", "rj", last},
		{"the other leaves already", "rw", last},
		{"one of two", "rr", ""},
		{"the last that is reached of two", "ru", "demote n1: refused: 1 manager would be left of which 0 are reachable; 1 is needed: bring one back first"},
		{"the lost one of two", "ur", ""},
		{"one of three", "rrr", ""},
		{"a reached one of three with one lost", "rru", "demote n1: refused: 2 managers would be left of which 1 is reachable; 2 are needed: bring one back first"},
		{"the lost one of three", "urr", ""},
		{"one of three of which another leaves", "rrw", ""},
		{"one of four with one lost", "rrru", ""},
		{"one of five with two lost", "rrruu", "demote n1: refused: 4 managers would be left of which 2 are reachable; 3 are needed: bring one back first"},
		{"a lost one of five with two lost", "urrru", ""},
		{"itself still joining", "jr", ""},
	} {
		w := newWorld(t)
		w.managers = make(map[string]bool)
		for i, how := range c.managers {
			name := "n" + string(rune('1'+i))
			role := specs.Manager
			if how == 'w' {
				role = specs.Worker
			}
			w.node(name, role, specs.NodeReady)
			if how != 'j' {
				w.managers[id(name)] = how != 'u'
			}
		}
		node, _ := w.Snapshot().Node(id("n1"))
		got := ""
		if err := mayDemote(w.Snapshot(), w.managers, node); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestManagerStatus(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"n1", "n2", "n3"} {
		w.node(name, specs.Manager, specs.NodeReady)
	}
	w.node("n4", specs.Worker, specs.NodeReady)
	w.node("n5", specs.Manager, specs.NodeReady) // promoted, and not a manager yet
	w.managers = map[string]bool{id("n1"): true, id("n2"): true, id("n3"): false}
	see := func() map[string]ManagerStatus {
		reply, err := w.server().listNodes(t.Context(), Empty{})
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]ManagerStatus)
		for _, node := range reply.Nodes {
			seen[node.Node.Name()] = node.Manager
		}
		return seen
	}
	want := map[string]ManagerStatus{"n1": Leads, "n2": Reachable, "n3": Unreachable, "n4": "", "n5": Joins}
	if diff := cmp.Diff(want, see()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	counts := ManagerCounts{Total: 3, Reachable: 2, CanLose: 0, Unreachable: []string{"n3"}}
	if diff := cmp.Diff(counts, w.status().Managers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.leader = ""
	want["n1"] = Reachable
	if diff := cmp.Diff(want, see()); diff != "" {
		t.Errorf("without a leader (-want +got):\n%s", diff)
	}
}
