package converge_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// touches is what a pass looks at after the change, by service name.
func (c *cluster) touches(change func()) []string {
	c.t.Helper()
	c.feed.Take()
	before := c.store.Snapshot()
	change()
	after, touched := c.feed.Take()
	d := converge.Touches(before, after, touched)
	if d.All {
		return []string{"all"}
	}
	names := []string{}
	for _, id := range slices.Sorted(maps.Keys(d.Services)) {
		names = append(names, id[len("id-of-"):])
	}
	if d.Revisions {
		names = append(names, "revisions")
	}
	return names
}

func TestTouches(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*cluster)
		want   []string
	}{
		"a spec": {func(c *cluster) { c.push("web", "v2", 1) }, []string{"web"}},
		"a task that goes on": {func(c *cluster) {
			c.see("web", specs.StateRunning)
		}, []string{"web"}},
		"a task that ends helps those that wait for capacity": {func(c *cluster) {
			c.see("web", specs.StateFailed)
		}, []string{"big", "web"}},
		"a forgotten task helps too": {func(c *cluster) {
			task := c.tasks("web")[0]
			c.apply(specs.Transaction{{Task: specs.Remove[specs.Task](task.ID, task.WantVersion)}})
		}, []string{"big", "web"}},
		"a task that is only told to stop frees nothing yet": {func(c *cluster) {
			task := c.tasks("web")[0]
			task.Want.Desired = specs.StateShutdown
			c.apply(specs.Transaction{{TaskWant: specs.Set(task.ID, task.WantVersion, task.Want)}})
		}, []string{"web"}},
		"a new node helps everything pending": {func(c *cluster) {
			c.apply(specs.Transaction{{Node: specs.Insert("n3", specs.Node{ID: "n3", Spec: specs.NodeSpec{Role: specs.Worker}})}})
		}, []string{"big", "picky"}},
		"a node that is drained moves its tasks": {func(c *cluster) {
			c.node("n1", drain)
		}, []string{"big", "picky", "web"}},
		"a node whose certificate was renewed": {func(c *cluster) {
			c.node("n1", func(_ *specs.NodeSpec, seen *specs.NodeSeen) {
				seen.Certificate = specs.NodeCertificate{Role: specs.Worker, Issuer: "b", NotAfter: c.now}
			})
		}, []string{}},
		"a node that is heard again as it was": {func(c *cluster) {
			c.node("n1", func(_ *specs.NodeSpec, seen *specs.NodeSeen) { seen.Since = c.now })
		}, []string{}},
		"a revision": {func(c *cluster) { c.commit(1, specs.RevisionRollingOut) }, []string{"revisions"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.push("web", "v1", 1)
			c.settle()
			c.push("other", "v1", 0)
			c.push("big", "v1", 1, reserve(1<<40))
			c.push("picky", "v1", 1, place(specs.Placement{Constraints: []string{"node.labels.zone == b"}}))
			c.settle()
			if diff := cmp.Diff(test.want, c.touches(func() { test.change(c) })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// see reports a state of the service's first task.
func (c *cluster) see(name string, state specs.State) {
	c.t.Helper()
	task := c.tasks(name)[0]
	task.Seen.State = state
	c.apply(specs.Transaction{{TaskSeen: specs.Set(task.ID, task.SeenVersion, task.Seen)}})
}

func TestARestoredStoreIsLookedAtWholly(t *testing.T) {
	d := converge.Touches(store.New().Snapshot(), store.New().Snapshot(), store.Touched{All: true})
	if !d.All || d.Empty() {
		t.Errorf("got %+v", d)
	}
}

func TestAgenda(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	agenda := converge.Agenda{}
	if next := agenda.Next(); !next.IsZero() {
		t.Errorf("an empty agenda wakes at %s", next)
	}
	agenda.Note(converge.Result{Wakes: map[string]time.Time{"a": at(10), "b": at(20), "": at(30), "c": {}}})
	if next := agenda.Next(); !next.Equal(at(10)) {
		t.Errorf("wakes at %s, want %s", next, at(10))
	}
	if due := agenda.Due(at(9)); !due.Empty() {
		t.Errorf("before anything is due: %+v", due)
	}
	want := converge.Dirty{Services: map[string]struct{}{"a": {}, "b": {}}, Revisions: true}
	if diff := cmp.Diff(want, agenda.Due(at(30))); diff != "" {
		t.Error(diff)
	}
	agenda.Note(converge.Result{Wakes: map[string]time.Time{"a": {}, "b": at(40)}})
	if next := agenda.Next(); !next.Equal(at(30)) {
		t.Errorf("wakes at %s, want %s", next, at(30))
	}
}
