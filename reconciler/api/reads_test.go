package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func (w *world) status() StatusReply {
	w.t.Helper()
	reply, err := w.server().status(w.t.Context(), Empty{})
	if err != nil {
		w.t.Fatal(err)
	}
	return reply
}

func TestStatusCountsWhatIsKnown(t *testing.T) {
	w := prod(t)
	s := w.status()
	if diff := cmp.Diff(NodeCounts{Ready: 2, Total: 3}, s.Nodes); diff != "" || s.Managers.Total != 1 || s.Leader != "n1" {
		t.Errorf("managers %+v, leader %q: the silent node is not known to be ready:\n%s", s.Managers, s.Leader, diff)
	}
	want := []StackCount{{Name: "base", Running: 1, Wanted: 1, Services: 1}, {Name: "shop", Running: 3, Wanted: 4, Services: 2}}
	if diff := cmp.Diff(want, s.Stacks); diff != "" {
		t.Errorf("stacks (-want +got):\n%s", diff)
	}
	if s.Revision.Commit != commit(2) {
		t.Errorf("the cluster is at %s, not at the refused commit after it", s.Revision.Commit)
	}
	w.rotation = "waiting for n3 (down)"
	w.leader, w.disk, w.silent, w.trouble = "", "60M free of 100G", nil, map[string]wire.Trouble{
		id("n1"): {Node: "its certificate runs out", Disk: "told above"}, id("n2"): {Node: "so does its", Disk: "full"},
	}
	if s := w.status(); s.Leader != "" || s.Rotation != "waiting for n3 (down)" || s.Disk != "n1: 60M free of 100G" || s.Nodes.Ready != 3 || !slices.Equal(s.Nodes.Troubled, []string{"n1: its certificate runs out", "n2: full", "n2: so does its"}) {
		t.Errorf("leader %q, disk %q, %+v", s.Leader, s.Disk, s.Nodes)
	}
	for d, want := range map[time.Duration]string{0: "", LongLeaderless - 1: "", LongLeaderless: WayBack} {
		w.leaderless = d
		if got := w.status().WayBack; got != want || strings.HasSuffix(noLeaderFor(d), WayBack) != (want != "") {
			t.Errorf("nobody has led for %s: %q and %q", d, got, noLeaderFor(d))
		}
	}
}

// A manager whose store is empty, because nobody leads since it was started, must
// not say that the cluster is.
func TestStatusOfAManagerThatHasReadNothing(t *testing.T) {
	w := newWorld(t)
	w.leader, w.unread, w.managers = "", errors.New("started since"), map[string]bool{id("n1"): true, id("n2"): false}
	s := w.status()
	if s.Unread != "started since" || s.Managers.Total != 2 || s.Managers.Reachable != 1 {
		t.Errorf("unread %q, managers %+v", s.Unread, s.Managers)
	}
	w.managers = map[string]bool{id("n1"): true}
	if _, err := w.server().status(t.Context(), Empty{}); err == nil || err.Error() != "started since" {
		t.Errorf("one that is alone says %v", err)
	}
}

func TestStatusBeforeTheFirstPush(t *testing.T) {
	if s := newWorld(t).status(); s.Revision != nil || s.Degraded || len(s.Troubles) > 0 {
		t.Errorf("an empty cluster has %+v", s)
	}
}

// Only a healthy revision can be degraded: one that rolls out, paused or failed
// says itself that tasks are missing.
func TestDegraded(t *testing.T) {
	for _, c := range []struct {
		state   specs.RevisionState
		running int
		want    bool
	}{
		{specs.RevisionHealthy, 2, false},
		{specs.RevisionHealthy, 1, true},
		{specs.RevisionRollingOut, 1, false},
		{specs.RevisionPaused, 1, false},
		{specs.RevisionFailed, 0, false},
	} {
		w := newWorld(t)
		w.apply(
			specs.Change{Source: specs.Insert(specs.MainSource, specs.Source{Name: specs.MainSource, Branch: "main"})},
			specs.Change{Ref: specs.Insert("refs/heads/main", specs.Ref{Name: "refs/heads/main", Commit: commit(1)})},
		)
		w.service("shop", "web", 2, false)
		w.revision(1, c.state, "")
		for i := range c.running {
			w.task("t"+string(rune('1'+i)), "web", uint64(i+1), time.Minute, wanted("n1"), runs)
		}
		if got := w.status().Degraded; got != c.want {
			t.Errorf("%s with %d of 2 tasks: degraded %v", c.state, c.running, got)
		}
	}
}

func TestTroubles(t *testing.T) {
	failed := specs.TaskSeen{State: specs.StateFailed, Err: "exit status 1"}
	type tasks func(*world)
	for _, c := range []struct {
		name  string
		tasks tasks
		want  []TaskTrouble
	}{
		{"all run", func(w *world) { w.task("t1", "web", 1, time.Minute, wanted("n1"), runs) }, nil},
		{"just made: no reason yet", func(w *world) {
			w.task("t1", "web", 1, 0, specs.TaskWant{Desired: specs.StateRunning}, specs.TaskSeen{})
			w.task("t2", "web", 2, 0, wanted("n1"), specs.TaskSeen{State: specs.StatePreparing, Message: "pull 41%"})
		}, nil},
		{"fits nowhere", func(w *world) {
			w.task("t1", "web", 1, 4*time.Minute, specs.TaskWant{Desired: specs.StateRunning, Reason: "no suitable node"}, specs.TaskSeen{})
		}, []TaskTrouble{
			{Stack: "shop", Task: "shop_web.1", State: specs.StatePending, Since: noon.Add(-4 * time.Minute), Reason: "no suitable node"},
		}},
		{"came back after a crash", func(w *world) {
			w.task("t1", "web", 1, time.Hour, stopped("n1", ""), failed)
			w.task("t2", "web", 1, time.Minute, wanted("n1"), runs)
		}, nil},
		{"about to come back: the last end is the reason", func(w *world) {
			w.task("t1", "web", 1, time.Hour, stopped("n1", ""), failed)
			w.task("t2", "web", 1, 3*time.Second, specs.TaskWant{Desired: specs.StateReady, Node: id("n1")}, specs.TaskSeen{State: specs.StateReady})
		}, []TaskTrouble{
			{Stack: "shop", Task: "shop_web.1", Node: "n1", State: specs.StateReady, Since: noon.Add(-3 * time.Second), Reason: "the task before it: exit status 1"},
		}},
		{"does not come back", func(w *world) {
			w.task("t1", "web", 1, time.Hour, stopped("n1", ""), failed)
		}, []TaskTrouble{
			{Stack: "shop", Task: "shop_web.1", Node: "n1", State: specs.StateFailed, Since: noon.Add(-time.Hour), Reason: "exit status 1"},
		}},
		{"of a service that is going", func(w *world) {
			w.task("t1", "cron", 1, time.Hour, stopped("n1", ""), failed)
		}, nil},
		{"the longest first, then by name; those alike are one", func(w *world) {
			pending := specs.TaskWant{Desired: specs.StateRunning, Reason: "no suitable node"}
			w.task("t3", "web", 3, time.Minute, pending, specs.TaskSeen{})
			w.task("t2", "web", 2, time.Hour, pending, specs.TaskSeen{})
			w.task("t1", "web", 1, time.Minute, pending, specs.TaskSeen{})
			w.task("t4", "api", 1, time.Minute, pending, specs.TaskSeen{})
		}, []TaskTrouble{
			{Stack: "shop", Task: "shop_web.1", Others: 2, State: specs.StatePending, Since: noon.Add(-time.Hour), Reason: "no suitable node"},
			{Stack: "shop", Task: "shop_api.1", State: specs.StatePending, Since: noon.Add(-time.Minute), Reason: "no suitable node"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.service("shop", "web", 3, false)
			w.service("shop", "api", 1, false)
			w.service("old", "cron", 1, true)
			w.node("n1", specs.Worker, specs.NodeReady)
			c.tasks(w)
			if diff := cmp.Diff(c.want, w.status().Troubles); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A global task that its drained node does not have any more is no trouble.
func TestATaskOfADrainedNodeIsNoTrouble(t *testing.T) {
	w := newWorld(t)
	w.service("shop", "web", 1, false)
	w.task("t1", "web", 0, time.Minute, stopped("n1", "node n1 is drained"), specs.TaskSeen{State: specs.StateShutdown})
	if found := w.status().Troubles; len(found) > 0 {
		t.Errorf("got %+v", found)
	}
}

// The reason of a global task that waits does not name its node, so that status can
// tell of many at once. That is what the task's node is for.
func TestAWaitingGlobalTaskIsShownWithItsNode(t *testing.T) {
	w := newWorld(t)
	w.node("n1", specs.Worker, specs.NodeReady)
	w.service("shop", "agent", 1, false)
	svc, _ := w.store.Snapshot().Service(id("agent"))
	w.apply(specs.Change{Task: specs.Insert(id("t1"), specs.Task{
		ID: id("t1"), ServiceID: svc.ID, ServiceName: svc.Spec.Name, SlotNode: id("n1"), Spec: svc.Spec.Task,
		Want: specs.TaskWant{Desired: specs.StateRunning, Reason: "no suitable node (1 node paused)", Since: noon},
	})})
	for _, asked := range []ListTasksRequest{{}, {Nodes: []string{"n1"}}} {
		reply, err := w.server().listTasks(t.Context(), asked)
		if err != nil || len(reply.Tasks) != 1 || reply.Tasks[0].Hostname != "n1" {
			t.Errorf("%+v: %+v, %v", asked, reply.Tasks, err)
		}
	}
}

// A certificate is told of once its renewal is overdue: in the last tenth of its life.
func TestStatusTellsOfNodes(t *testing.T) {
	w := newWorld(t)
	tenth := specs.DefaultCertExpiry / 10
	for name, until := range map[string]time.Time{
		"n1": noon.Add(tenth + time.Second), "n2": noon.Add(tenth - time.Second), "n3": noon.Add(-time.Hour), "n4": {},
	} {
		w.node(name, specs.Worker, specs.NodeReady)
		node, _ := w.store.Snapshot().Node(id(name))
		node.Seen.Certificate.NotAfter = until
		node.Seen.Description.Runtimes = []string{specs.RuntimeContainer, specs.RuntimeProcess}
		w.apply(specs.Change{NodeSeen: specs.Set(node.ID, node.SeenVersion, node.Seen)})
	}
	for name, wish := range map[string]specs.Availability{"n4": specs.Drain, "n1": specs.Drain, "n2": specs.Pause, "n3": specs.Active} {
		node, _ := w.store.Snapshot().Node(id(name))
		node.Spec.Availability = wish
		w.apply(specs.Change{NodeSpec: specs.Set(node.ID, node.SpecVersion, node.Spec)})
	}
	want := NodeCounts{
		Ready: 4, Total: 4, Drained: []string{"n1", "n4"}, Paused: []string{"n2"},
		Expiring: []NodeExpiry{{"n3", noon.Add(-time.Hour)}, {"n2", noon.Add(tenth - time.Second)}},
	}
	if diff := cmp.Diff(want, w.status().Nodes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	node, err := w.server().inspectNode(t.Context(), ByName{Name: "n1"})
	if diff := cmp.Diff([]string{"container", "process"}, node.Seen.Description.Runtimes); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A slot that a push took away is no trouble while its last task goes.
func TestASlotThatIsGoingIsNoTrouble(t *testing.T) {
	w := newWorld(t)
	w.service("shop", "web", 1, false)
	w.task("t1", "web", 1, time.Hour, wanted("n1"), runs)
	gone := specs.TaskWant{Desired: specs.StateRemove, Node: id("n1"), Reason: "the service needs fewer tasks"}
	w.task("t2", "web", 2, time.Minute, gone, specs.TaskSeen{State: specs.StateShutdown})
	if found := w.status().Troubles; len(found) > 0 {
		t.Errorf("got %+v", found)
	}
}

func TestListTasksNarrows(t *testing.T) {
	s := prod(t).server()
	for _, c := range []struct {
		req  ListTasksRequest
		want string // first two letters of the IDs, or the error
	}{
		{ListTasksRequest{}, "t5 t6 t4 t1 t2b t2a t3"},
		{ListTasksRequest{Service: "shop/web"}, "t1 t2b t2a t3"},
		{ListTasksRequest{Stack: "shop"}, "t4 t1 t2b t2a t3"},
		{ListTasksRequest{Nodes: []string{"self"}}, "t4 t1"},
		{ListTasksRequest{Stack: "shop", Nodes: []string{"n2"}}, "t2b t2a"},
		{ListTasksRequest{Stack: "old"}, "t6"}, // removed, and its last task is still stopping
		{ListTasksRequest{Service: "shop_api", Nodes: []string{"n2"}}, ""},
		{ListTasksRequest{Service: "nothing"}, "no such service: nothing (see: swarmgit service ls)"},
		{ListTasksRequest{Stack: "nothing"}, "no such stack: nothing (see: swarmgit stack ls)"},
		{ListTasksRequest{Nodes: []string{"nothing"}}, "no such node: nothing (see: swarmgit node ls)"},
	} {
		reply, err := s.listTasks(t.Context(), c.req)
		var ids []string
		for _, task := range reply.Tasks {
			ids = append(ids, strings.TrimRight(task.ID, "0"))
		}
		got := strings.Join(ids, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: got %q, want %q", c.req, got, c.want)
		}
	}
}

func TestListRevisionsNewestFirst(t *testing.T) {
	s := prod(t).server()
	for limit, want := range map[int][]string{0: {commit(3), commit(2), commit(1)}, 2: {commit(3), commit(2)}, 9: {commit(3), commit(2), commit(1)}} {
		reply, err := s.listRevisions(t.Context(), ListRevisionsRequest{Limit: limit})
		var got []string
		for _, rev := range reply.Revisions {
			got = append(got, rev.Commit)
			if rev.Current != (rev.Commit == commit(2)) {
				t.Errorf("%s is current: %v", rev.Commit, rev.Current)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("limit %d: got %q, %v", limit, got, err)
		}
	}
}

// asked is a log source that says which tasks it was asked for.
type asked struct {
	snap  store.Snapshot
	tasks []string
}

func (a *asked) Logs(_ context.Context, pick func(store.Snapshot) []specs.Task, _ LogsRequest, _ func(LogsReply) error) error {
	for _, task := range pick(a.snap) {
		a.tasks = append(a.tasks, strings.TrimRight(task.ID, "0"))
	}
	return nil
}

func TestLogsOfAServiceOrATask(t *testing.T) {
	for name, want := range map[string][]string{
		"shop_web":    {"t1", "t2a", "t2b", "t3"},
		"shop/web":    {"t1", "t2a", "t2b", "t3"},
		"shop_web.2":  {"t2a", "t2b"}, // also what ran in the slot before
		"shop/web.2":  {"t2a", "t2b"},
		id("t2a"):     {"t2a"},
		id("t2a")[:8]: {"t2a"},
	} {
		s := prod(t).server()
		source := &asked{snap: s.Cluster.Snapshot()}
		s.Logs = source
		err := s.logs(t.Context(), LogsRequest{Service: name}, nil)
		slices.Sort(source.tasks)
		if err != nil || !slices.Equal(source.tasks, want) {
			t.Errorf("%s: got %q, %v", name, source.tasks, err)
		}
	}
	err := prod(t).server().logs(t.Context(), LogsRequest{Service: "shop_web.9"}, nil)
	if wire.KindOf(err) != wire.NotFound {
		t.Errorf("a task that is not: %v", err)
	}
}

func TestWaitEndsWithTheRevision(t *testing.T) {
	w := prod(t)
	w.lines = []string{"one", "two"}
	var got []WaitReply
	err := w.server().wait(t.Context(), WaitRequest{}, func(r WaitReply) error { got = append(got, r); return nil })
	if err != nil || len(got) != 3 || got[0].Line != "one" || got[1].Line != "two" ||
		got[2].Revision == nil || got[2].Revision.Commit != commit(2) {
		t.Errorf("got %+v, %v", got, err)
	}
	gone := errors.New("the receiver is gone")
	if err := w.server().wait(t.Context(), WaitRequest{}, func(WaitReply) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

// tape is an executor's image store that keeps what it was given.
type tape struct{ data []byte }

func (x *tape) Load(_ context.Context, archive io.Reader) ([]Image, error) {
	var err error
	x.data, err = io.ReadAll(archive)
	return []Image{{Name: "web:1"}}, err
}

func (x *tape) List(context.Context) ([]Image, error) { return []Image{{Name: "web:1"}}, nil }

func (x *tape) Remove(context.Context, string) error { return nil }

func (x *tape) Unused(_ context.Context, needed []string) ([]Image, error) {
	return []Image{{Name: "all but " + strings.Join(needed, ", ")}}, nil
}

func TestAnArchiveArrivesWhole(t *testing.T) {
	cut := errors.New("cut off")
	for _, c := range []struct {
		name   string
		chunks []string
		end    error
	}{
		{"nothing", nil, nil},
		{"chunks and an empty one", []string{"ab", "", "cdef"}, nil},
		{"cut off", []string{"ab"}, cut},
	} {
		s, images := prod(t).server(), &tape{}
		s.Images = images
		sent := iter.Seq2[Chunk, error](func(yield func(Chunk, error) bool) {
			for _, chunk := range c.chunks {
				if !yield(Chunk{Data: []byte(chunk)}, nil) {
					return
				}
			}
			if c.end != nil {
				yield(Chunk{}, c.end)
			}
		})
		reply, err := s.loadImage(t.Context(), sent)
		if string(images.data) != strings.Join(c.chunks, "") || !errors.Is(err, c.end) || len(reply.Images) != 1 {
			t.Errorf("%s: got %q, %v", c.name, images.data, err)
		}
	}
}

func TestANodeWithoutImagesSaysSo(t *testing.T) {
	s := prod(t).server()
	if _, err := s.listImages(t.Context(), Empty{}); !errors.Is(err, errNoImages) {
		t.Errorf("list: %v", err)
	}
	if _, err := s.loadImage(t.Context(), nil); !errors.Is(err, errNoImages) {
		t.Errorf("load: %v", err)
	}
	if _, err := s.removeImage(t.Context(), ByName{Name: "web:1"}); !errors.Is(err, errNoImages) {
		t.Errorf("rm: %v", err)
	}
	if _, err := s.unusedImages(t.Context(), Empty{}); !errors.Is(err, errNoImages) {
		t.Errorf("prune: %v", err)
	}
}

// What is unused is known only if a manager says what is needed.
func TestUnusedImages(t *testing.T) {
	s := prod(t).server()
	s.Images = &tape{}
	s.Needed = func(context.Context) ([]string, error) { return []string{"db:1"}, nil }
	if reply, err := s.unusedImages(t.Context(), Empty{}); err != nil || reply.Images[0].Name != "all but db:1" {
		t.Errorf("got %+v, %v", reply, err)
	}
	s.Needed = func(context.Context) ([]string, error) { return nil, errors.New("cut off") }
	_, err := s.unusedImages(t.Context(), Empty{})
	wantKind(t, err, wire.Unavailable, "no manager says which images this node needs, nothing was removed: try again in a moment: cut off")
}

// The hash of a task spec, with all of the spec but a weak password, would let its
// reader try out passwords: nobody is shown it.
func TestHashesOfSpecsTellNothing(t *testing.T) {
	w := newWorld(t)
	w.service("shop", "web", 1, false)
	w.task("t1", "web", 1, time.Minute, wanted("n1"), runs)
	svc, _ := w.store.Snapshot().Service(id("web"))
	under := svc.Spec
	svc.Rollout = specs.Rollout{Target: svc.Spec.Task, Completed: svc.Spec.Task, Under: &under}
	w.apply(specs.Change{Rollout: specs.Set(svc.ID, svc.RolloutVersion, svc.Rollout)},
		specs.Change{Cluster: &specs.Cluster{ID: "prod", Key: []byte("0123456789abcdef")}})
	inspected, err := w.server().inspectService(t.Context(), ByName{Name: "shop_web"})
	task, err2 := w.server().inspectTask(t.Context(), ByName{Name: "shop_web.1"})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal([]any{inspected, task})
	if err != nil || strings.Contains(string(shown), string(svc.Spec.Task)) {
		t.Errorf("%s (%v) has the hash %s", shown, err, svc.Spec.Task)
	}
	if h := inspected.Spec.Task; h == "" || h != task.Spec || h != inspected.Rollout.Target || h != inspected.Rollout.Under.Task {
		t.Errorf("that the task is as its service wants it cannot be seen any more: %s", shown)
	}
	if again, _ := w.store.Snapshot().Service(id("web")); again.Rollout.Under.Task != svc.Spec.Task {
		t.Error("what is shown has changed what is kept")
	}
}
