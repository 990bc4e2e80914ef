package api

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestPatched(t *testing.T) {
	base := specs.NodeSpec{Role: specs.Worker, Labels: map[string]string{"zone": "a", "disk": "ssd"}}
	for _, c := range []struct {
		name string
		req  UpdateNodeRequest
		want specs.NodeSpec
		err  string
	}{
		{"nothing", UpdateNodeRequest{}, base, ""},
		{"role and availability", UpdateNodeRequest{Role: specs.Manager, Availability: specs.Drain},
			specs.NodeSpec{Role: specs.Manager, Availability: specs.Drain, Labels: base.Labels}, ""},
		{"labels", UpdateNodeRequest{LabelAdd: map[string]string{"zone": "b", "rack": ""}, LabelRemove: []string{"disk"}},
			specs.NodeSpec{Role: specs.Worker, Labels: map[string]string{"zone": "b", "rack": ""}}, ""},
		{"a label that is not there", UpdateNodeRequest{LabelRemove: []string{"disc"}}, specs.NodeSpec{},
			"node n1 has no label disc (see: swarmgit node inspect n1)"},
		{"a label without a name", UpdateNodeRequest{LabelAdd: map[string]string{"": "b"}}, specs.NodeSpec{},
			"a label needs a name: write it as key=value"},
		{"a role of none", UpdateNodeRequest{Role: "boss"}, specs.NodeSpec{}, "role boss: a node is a manager or a worker"},
		{"an availability of none", UpdateNodeRequest{Availability: "drained"}, specs.NodeSpec{},
			"availability drained: use active, pause or drain"},
	} {
		node := specs.Node{ID: "x", Spec: base, Seen: specs.NodeSeen{Description: specs.NodeDescription{Hostname: "n1"}}}
		got, err := patched(node, c.req)
		if err != nil || c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if base.Labels["zone"] != "a" || len(base.Labels) != 2 {
			t.Fatalf("%s: the stored labels were modified: %v", c.name, base.Labels)
		}
	}
}

func TestUpdateNodeOverTheWire(t *testing.T) {
	w := prod(t)
	client := w.dial()
	update := func(req UpdateNodeRequest) (UpdateNodeReply, error) { return UpdateNode.Call(t.Context(), client, req) }
	reply, err := update(UpdateNodeRequest{Name: "n2", Availability: specs.Drain})
	if err != nil || !reply.Changed || reply.Node.Spec.Availability != specs.Drain || reply.Node.SpecVersion != w.index {
		t.Fatalf("drain: %+v, %v", reply, err)
	}
	reply, err = update(UpdateNodeRequest{Name: "n2", Availability: specs.Drain})
	if err != nil || reply.Changed || reply.Node.SpecVersion != w.index {
		t.Errorf("again: %+v, %v", reply, err)
	}
	_, err = update(UpdateNodeRequest{Name: "self", Role: specs.Worker})
	wantKind(t, err, wire.InvalidArgument, "demote n1: refused: it is the last manager: promote another node first (swarmgit node promote NODE)")
	_, err = update(UpdateNodeRequest{Name: "n9", Role: specs.Worker})
	wantKind(t, err, wire.NotFound, "no such node: n9 (see: swarmgit node ls)")
	if reply, err = update(UpdateNodeRequest{Name: "n2", Role: specs.Manager}); err != nil || !reply.Changed {
		t.Errorf("promote: %+v, %v", reply, err)
	}
	if reply, err = update(UpdateNodeRequest{Name: "self", Role: specs.Worker}); err != nil || reply.Node.Spec.Role != specs.Worker {
		t.Errorf("demote, now that there is another: %+v, %v", reply, err)
	}
}

// Of two operators who demote the last two managers at the same time, the second is
// refused: each counted on the other's.
func TestDemotionsAtOnce(t *testing.T) {
	w := prod(t)
	client := w.dial()
	update := func(name string, role specs.Role) error {
		_, err := UpdateNode.Call(t.Context(), client, UpdateNodeRequest{Name: name, Role: role})
		return err
	}
	if err := update("n2", specs.Manager); err != nil {
		t.Fatal(err)
	}
	w.before = func() {
		if err := update("n2", specs.Worker); err != nil {
			t.Error(err)
		}
	}
	wantKind(t, update("n1", specs.Worker), wire.InvalidArgument,
		"demote n1: refused: it is the last manager: promote another node first (swarmgit node promote NODE)")
}

// Of two operators who write at the same time neither loses what he wrote.
func TestUpdateNodeLooksAgain(t *testing.T) {
	w := prod(t)
	label := func(key string) error {
		_, err := w.server().updateNode(t.Context(), UpdateNodeRequest{Name: "n2", LabelAdd: map[string]string{key: "1"}})
		return err
	}
	w.before = func() {
		if err := label("first"); err != nil {
			t.Error(err)
		}
	}
	if err := label("second"); err != nil {
		t.Fatal(err)
	}
	node, _ := w.Snapshot().Node(id("n2"))
	if diff := cmp.Diff(map[string]string{"zone": "a", "first": "1", "second": "1"}, node.Spec.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	w.refusal = wire.Errorf(wire.OutcomeUnknown, "outcome not known")
	wantKind(t, label("third"), wire.OutcomeUnknown, "update node n2: outcome not known")
}

func TestRemoveNode(t *testing.T) {
	const down, ready = specs.NodeDown, specs.NodeReady
	for _, c := range []struct {
		name string
		node string
		req  RemoveNodeRequest
		want string
		kind wire.Kind
	}{
		{"down", "down", RemoveNodeRequest{}, "", 0},
		{"by its ID", id("down"), RemoveNodeRequest{}, "", 0},
		{"up", "up", RemoveNodeRequest{}, "node up is up: stop its daemon first, or --force", wire.InvalidArgument},
		{"up, by force", "up", RemoveNodeRequest{Force: true}, "", 0},
		{"not heard yet", "quiet", RemoveNodeRequest{}, "node quiet may be up, the leader has not heard of it yet: ask again in a minute, or --force", wire.InvalidArgument},
		{"not heard yet, by force", "quiet", RemoveNodeRequest{Force: true}, "", 0},
		{"a manager by force", "n1", RemoveNodeRequest{Force: true}, "node n1 is a manager: demote it first (swarmgit node demote n1)", wire.InvalidArgument},
		{"a manager that leaves", "leaving", RemoveNodeRequest{Force: true}, "node leaving is still leaving the managers: ask again in a moment", wire.Unavailable},
		{"nobody", "n7", RemoveNodeRequest{}, "no such node: n7 (see: swarmgit node ls)", wire.NotFound},
	} {
		w := newWorld(t)
		w.node("n1", specs.Manager, ready)
		w.node("down", specs.Worker, down)
		w.node("up", specs.Worker, ready)
		w.node("quiet", specs.Worker, ready)
		w.node("leaving", specs.Worker, down)
		w.silent = map[string]bool{id("quiet"): true}
		w.managers = map[string]bool{id("n1"): true, id("leaving"): true}
		c.req.Name = c.node
		_, err := RemoveNode.Call(t.Context(), w.dial(), c.req)
		if c.want != "" {
			wantKind(t, err, c.kind, c.want)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if left := len(slices.Collect(w.Snapshot().Nodes())); (left == 4) != (c.want == "") || len(w.forgot) != 5-left {
			t.Errorf("%s: %d nodes left, forgot %q", c.name, left, w.forgot)
		}
	}
}

// A node that came back, or was promoted, while its removal was under way is
// judged anew.
func TestRemoveNodeLooksAgain(t *testing.T) {
	w := newWorld(t)
	w.node("n1", specs.Manager, specs.NodeReady)
	w.node("n2", specs.Worker, specs.NodeDown)
	w.before = func() {
		if _, err := w.server().updateNode(t.Context(), UpdateNodeRequest{Name: "n2", Role: specs.Manager}); err != nil {
			t.Error(err)
		}
	}
	_, err := w.server().removeNode(t.Context(), RemoveNodeRequest{Name: "n2"})
	wantKind(t, err, wire.InvalidArgument, "node n2 is a manager: demote it first (swarmgit node demote n2)")
}

// A manager that passes a request on asks for its person's "self", not its own.
func TestSelfIsTheNodeThatWasAsked(t *testing.T) {
	s := prod(t).server()
	ctx := wire.WithPeer(t.Context(), wire.Identity{NodeID: id("n3"), Role: specs.Manager})
	node, err := s.inspectNode(ctx, ByName{Name: "self"})
	if err != nil || node.ID != id("n3") || !node.Self {
		t.Errorf("got %+v, %v", node, err)
	}
	tasks, err := s.listTasks(ctx, ListTasksRequest{Nodes: []string{"self"}})
	if err != nil || len(tasks.Tasks) != 1 || tasks.Tasks[0].ID != id("t5") {
		t.Errorf("got %+v, %v", tasks, err)
	}
}

func wantKind(t *testing.T, err error, kind wire.Kind, words string) {
	t.Helper()
	if err == nil || wire.KindOf(err) != kind || err.Error() != words {
		t.Errorf("got %v (%v), want %s (%v)", err, wire.KindOf(err), words, kind)
	}
}
