package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// seen changes what is known of a task; wants changes what is decided.
func (w *world) seen(taskID string, state specs.State) {
	w.t.Helper()
	task, _ := w.Snapshot().Task(id(taskID))
	w.apply(specs.Change{TaskSeen: specs.Set(task.ID, task.SeenVersion, specs.TaskSeen{State: state, Since: noon})})
}

func (w *world) stop(taskID string) {
	w.t.Helper()
	task, _ := w.Snapshot().Task(id(taskID))
	want := task.Want
	want.Desired, want.Reason = specs.StateShutdown, "node n2 is drained"
	w.apply(specs.Change{TaskWant: specs.Set(task.ID, task.WantVersion, want)})
}

func (w *world) availability(name string, a specs.Availability) {
	w.t.Helper()
	if _, err := w.server().updateNode(w.t.Context(), UpdateNodeRequest{Name: name, Availability: a}); err != nil {
		w.t.Fatal(err)
	}
}

// crowded is a node n2 with three tasks, and n1 beside it.
func crowded(t testing.TB) *world {
	w := newWorld(t)
	w.node("n1", specs.Manager, specs.NodeReady)
	w.node("n2", specs.Worker, specs.NodeReady)
	w.service("shop", "web", 2, false)
	w.service("shop", "db", 1, false)
	w.task("w1", "web", 1, time.Minute, wanted("n2"), runs)
	w.task("w2", "web", 2, time.Minute, wanted("n2"), runs)
	w.task("d1", "db", 1, time.Minute, wanted("n2"), runs)
	w.task("d0", "db", 1, time.Hour, stopped("n2", ""), specs.TaskSeen{State: specs.StateFailed}) // ended long ago
	return w
}

func TestDrainStepByStep(t *testing.T) {
	w := crowded(t)
	w.availability("n2", specs.Drain)
	node, _ := w.Snapshot().Node(id("n2"))
	watched := drain{node: node, tasks: map[string]specs.Task{}}
	pending := TaskTrouble{Stack: "shop", Task: "shop_db.1", State: specs.StatePending, Since: noon, Reason: "no suitable node"}
	for _, step := range []struct {
		name string
		do   func()
		want DrainReply
	}{
		{"begins", func() {}, DrainReply{Node: "n2", Total: 3, Left: []string{"shop_db.1", "shop_web.1", "shop_web.2"}}},
		{"all are told to stop, one finds no other place", func() {
			w.stop("w1")
			w.stop("w2")
			w.stop("d1")
			w.task("w1b", "web", 1, 0, wanted("n1"), runs)
			w.task("d2", "db", 1, 0, specs.TaskWant{Desired: specs.StateRunning, Reason: "no suitable node"}, specs.TaskSeen{})
		}, DrainReply{Node: "n2", Total: 3, Left: []string{"shop_db.1", "shop_web.1", "shop_web.2"}}},
		{"two have stopped", func() {
			w.seen("w1", specs.StateShutdown)
			w.seen("d1", specs.StateShutdown)
		}, DrainReply{Node: "n2", Total: 3, Left: []string{"shop_web.2"}, Waiting: []TaskTrouble{pending}}},
		{"the last has stopped", func() { w.seen("w2", specs.StateFailed) },
			DrainReply{Node: "n2", Total: 3, Waiting: []TaskTrouble{pending}, Empty: true}},
	} {
		step.do()
		got, err := watched.look(w.Snapshot())
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestWhatEndsADrain(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*world)
		want string
		kind wire.Kind
	}{
		{"it is active", func(w *world) { w.availability("n2", specs.Active) }, "node n2 is not drained but active: its tasks stay", wire.InvalidArgument},
		{"it is paused", func(w *world) { w.availability("n2", specs.Pause) }, "node n2 is not drained but pause: its tasks stay", wire.InvalidArgument},
		{"it is removed", func(w *world) {
			node, _ := w.Snapshot().Node(id("n2"))
			if err := w.Forget(t.Context(), node); err != nil {
				t.Fatal(err)
			}
		}, "node n2 was removed from the cluster", wire.NotFound},
	} {
		w := crowded(t)
		w.availability("n2", specs.Drain)
		node, _ := w.Snapshot().Node(id("n2"))
		watched := drain{node: node, tasks: map[string]specs.Task{}}
		c.do(w)
		_, err := watched.look(w.Snapshot())
		wantKind(t, err, c.kind, c.want)
	}
}

// What a node does that is down is not known; its drain ends once nothing is
// wanted of it.
func TestDrainOfANodeThatIsDown(t *testing.T) {
	w := crowded(t)
	w.availability("n2", specs.Drain)
	node, _ := w.Snapshot().Node(id("n2"))
	w.apply(specs.Change{NodeSeen: specs.Set(node.ID, node.SeenVersion, specs.NodeSeen{Status: specs.NodeDown, Description: node.Seen.Description})})
	watched := drain{node: node, tasks: map[string]specs.Task{}}
	got, _ := watched.look(w.Snapshot())
	if !got.Down || got.Empty || len(got.Left) != 3 {
		t.Errorf("before: %+v", got)
	}
	for _, task := range []string{"w1", "w2", "d1"} {
		w.stop(task)
	}
	if got, _ = watched.look(w.Snapshot()); !got.Down || !got.Empty || got.Total != 3 {
		t.Errorf("after: %+v", got)
	}
}

func TestWatchDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := crowded(t)
		w.availability("n2", specs.Drain)
		var got []DrainReply
		ended := make(chan error, 1)
		go func() {
			ended <- w.server().watchDrain(t.Context(), ByName{Name: "n2"}, func(r DrainReply) error { got = append(got, r); return nil })
		}()
		for _, task := range []string{"w1", "w2", "d1"} {
			time.Sleep(time.Second)
			w.seen(task, specs.StateShutdown)
			w.node("x"+task, specs.Worker, specs.NodeReady) // something else changes too: no news
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		want := []DrainReply{
			{Node: "n2", Total: 3, Left: []string{"shop_db.1", "shop_web.1", "shop_web.2"}},
			{Node: "n2", Total: 3, Left: []string{"shop_db.1", "shop_web.2"}},
			{Node: "n2", Total: 3, Left: []string{"shop_db.1"}},
			{Node: "n2", Total: 3, Empty: true},
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestWatchDrainEndsWithItsWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := crowded(t)
		w.availability("n2", specs.Drain)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := w.server().watchDrain(ctx, ByName{Name: "n2"}, func(DrainReply) error { return nil })
		if wire.KindOf(err) != wire.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	})
}
