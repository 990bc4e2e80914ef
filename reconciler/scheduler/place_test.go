package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

const (
	gib = specs.Bytes(1 << 30)
	cpu = specs.NanoCPUs(1_000_000_000)
)

// cluster drives a State as converge does: what was placed becomes a task.
type cluster struct {
	*State
	nodes map[string]specs.Node
	tasks []placed
}

type placed struct {
	task specs.Task
	spec specs.TaskSpec
}

// newCluster makes ready nodes of 4 CPUs and 8 GiB from "a", "b zone=eu" or
// "c zone=eu drain".
func newCluster(descriptions ...string) *cluster {
	c := &cluster{State: New(store.New().Snapshot()), nodes: make(map[string]specs.Node)}
	for _, d := range descriptions {
		c.set(readyNode(d))
	}
	return c
}

func readyNode(description string) specs.Node {
	words := strings.Fields(description)
	n := specs.Node{ID: words[0], Spec: specs.NodeSpec{Role: specs.Worker, Labels: map[string]string{}}}
	n.Seen.Status = specs.NodeReady
	n.Seen.Description = specs.NodeDescription{
		Hostname: "host-" + n.ID, OS: "linux", Arch: "amd64", Resources: specs.Resources{CPUs: 4 * cpu, Memory: 8 * gib},
	}
	for _, word := range words[1:] {
		key, value, label := strings.Cut(word, "=")
		switch {
		case label:
			n.Spec.Labels[key] = value
		case key == "down":
			n.Seen.Status = specs.NodeDown
		case key == "silent":
			n.Seen.Status = ""
		default:
			n.Spec.Availability = specs.Availability(key)
		}
	}
	return n
}

func (c *cluster) set(n specs.Node) {
	if before, ok := c.nodes[n.ID]; ok {
		c.Node(&before, &n)
	} else {
		c.Node(nil, &n)
	}
	c.nodes[n.ID] = n
}

func (c *cluster) forget(id string) {
	before := c.nodes[id]
	c.Node(&before, nil)
	delete(c.nodes, id)
}

// put places count tasks and returns their nodes.
func (c *cluster) put(r Request, count int) Result {
	r.Count = count
	result := c.Place(r)
	for _, node := range result.Nodes {
		c.add(r, node)
	}
	return result
}

func (c *cluster) add(r Request, node string) {
	p := placed{spec: r.Spec, task: specs.Task{
		ID: fmt.Sprintf("t%d", len(c.tasks)), ServiceID: r.ServiceID, Spec: r.Version,
		Want: specs.TaskWant{Desired: specs.StateRunning, Node: node},
	}}
	c.Task(nil, &p.task, p.spec)
	c.tasks = append(c.tasks, p)
}

// edit changes a task by its place in the order of creation.
func (c *cluster) edit(i int, change func(*specs.Task)) {
	before := c.tasks[i].task
	change(&c.tasks[i].task)
	c.Task(&before, &c.tasks[i].task, c.tasks[i].spec)
}

func (c *cluster) end(i int) { c.edit(i, func(t *specs.Task) { t.Seen.State = specs.StateFailed }) }
func (c *cluster) stop(i int) {
	c.edit(i, func(t *specs.Task) { t.Want.Desired = specs.StateShutdown })
}

func request(service string, constraints ...string) Request {
	return Request{ServiceID: service, Rules: specs.Placement{Constraints: constraints}}
}

func reserving(service string, cpus specs.NanoCPUs, memory specs.Bytes) Request {
	return Request{ServiceID: service, Spec: specs.TaskSpec{Reservations: specs.Resources{CPUs: cpus, Memory: memory}}}
}

func expect(t *testing.T, got Result, nodes, reason string) {
	t.Helper()
	want := Result{Nodes: strings.Fields(nodes), Reason: reason}
	if len(want.Nodes) == 0 {
		want.Nodes = nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestSpreadsOverTasksOfServiceThenOverAllTasks(t *testing.T) {
	c := newCluster("a", "b", "c")
	expect(t, c.put(request("web"), 4), "a b c a", "")
	expect(t, c.put(request("db"), 2), "b c", "")      // a has 2 tasks
	expect(t, c.put(request("db"), 2), "a b", "")      // then by db's own
	expect(t, c.put(request("web"), 1), "c", "")       // b: 3 tasks, c: 2
	expect(t, c.put(request("other"), 3), "a b c", "") // all have 3
}

func TestNodesComeGoAndFall(t *testing.T) {
	c := newCluster("b", "d")
	expect(t, c.put(request("web"), 2), "b d", "")
	c.set(readyNode("a")) // before the others, so that all are renumbered
	c.set(readyNode("c"))
	expect(t, c.put(request("web"), 3), "a c a", "") // ties by ID
	c.set(readyNode("a down"))
	c.forget("c")
	expect(t, c.put(request("web"), 2), "b d", "")
	c.set(readyNode("a"))
	c.set(readyNode("c"))
	expect(t, c.put(request("web"), 1), "c", "") // a remembered its two tasks, c its one
}

func TestStoppedTasksDoNotCountButOccupy(t *testing.T) {
	c := newCluster("a", "b")
	web := reserving("web", 0, 5*gib)
	expect(t, c.put(web, 2), "a b", "")
	c.stop(0)
	if got := c.Free("a").Memory; got != 3*gib {
		t.Errorf("a stopping task frees memory too early: %s free", got)
	}
	expect(t, c.put(web, 1), "", "no suitable node (insufficient memory on 2 nodes)")
	expect(t, c.put(request("web"), 2), "a a", "") // a has none that counts, then fewer in total
	c.end(0)
	expect(t, c.put(web, 1), "a", "")
}

func TestFreedMemoryIsFound(t *testing.T) {
	c := newCluster("a", "b")
	big := reserving("big", cpu, 8*gib)
	expect(t, c.put(big, 3), "a b", "no suitable node (insufficient memory on 2 nodes)")
	expect(t, c.put(big, 1), "", "no suitable node (insufficient memory on 2 nodes)")
	c.end(1)
	expect(t, c.put(big, 1), "b", "")
	c.set(readyNode("c"))
	expect(t, c.put(big, 1), "c", "")
}

func TestTaskWithoutNodeTakesNothing(t *testing.T) {
	c := newCluster("a")
	c.add(reserving("web", 4*cpu, 8*gib), "")
	expect(t, c.put(reserving("web", 4*cpu, 8*gib), 1), "a", "")
}

func TestMaxReplicas(t *testing.T) {
	c := newCluster("a", "b")
	web := request("web")
	web.Rules.MaxReplicas = 1
	expect(t, c.put(web, 3), "a b", "no suitable node (max replicas per node limit exceeded on 2 nodes)")
	c.stop(0)
	expect(t, c.put(web, 1), "a", "")
	expect(t, c.put(request("db"), 1), "a", "")
}

func TestPreferencesSplitEvenly(t *testing.T) {
	c := newCluster("a zone=x rack=1", "b zone=x rack=1", "c zone=x rack=2", "d zone=y rack=1", "e")
	web := request("web")
	web.Rules.Preferences = []string{"node.labels.zone", "node.labels.rack"}
	expect(t, c.put(web, 6), "a d e c d e", "") // two in each zone, one in each rack of x
	expect(t, c.put(web, 3), "b d e", "")
}

func TestPreferencesRepairImbalanceAndOverflow(t *testing.T) {
	c := newCluster("a zone=x", "b zone=y", "c zone=y")
	web := reserving("web", 0, 4*gib)
	for range 2 {
		c.add(web, "b")
	}
	web.Rules.Preferences = []string{"node.labels.zone"}
	expect(t, c.put(web, 4), "a a c c", "") // x is full after two
	expect(t, c.put(web, 1), "", "no suitable node (insufficient memory on 3 nodes)")
}

func TestFaultyNodeIsLast(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fail := func(version specs.Hash, ago time.Duration) specs.Task {
		return specs.Task{Spec: version, Want: specs.TaskWant{Node: "a"},
			Seen: specs.TaskSeen{State: specs.StateFailed, Since: now.Add(-ago)}}
	}
	past := []specs.Task{fail("v1", 5*time.Minute)}
	for i := range 4 {
		past = append(past, fail("v1", time.Duration(i)*time.Second))
	}
	web := request("web")
	web.Version, web.Past, web.Now = "v1", slices.Values(past), now

	c := newCluster("a", "b")
	web.Count = 2
	expect(t, c.Place(web), "b b", "")

	later := web
	later.Now = now.Add(time.Nanosecond) // the oldest failure is forgotten
	expect(t, c.Place(later), "a b", "")
	renewed := web
	renewed.Version = "v2"
	expect(t, c.Place(renewed), "a b", "")

	crowded := web
	crowded.Rules.MaxReplicas = 1
	expect(t, c.Place(crowded), "b a", "") // better than no node
	zoned := web
	zoned.Rules.Preferences = []string{"node.id"}
	expect(t, c.Place(zoned), "b b", "")
	if why := c.Explain("a", web); why != "" {
		t.Errorf("a task that must be on the faulty node: %s", why)
	}
}

func TestReasons(t *testing.T) {
	for _, tc := range []struct {
		name  string
		nodes []string
		ask   Request
		want  string
	}{
		{"empty cluster", nil, request("web"), "no nodes in the cluster"},
		{"one constraint", []string{"a"}, request("web", "node.labels.zone == b"),
			"no suitable node (node.labels.zone==b not met on 1 node)"},
		{"first unmet constraint only", []string{"a", "b zone=b"}, request("web", "node.labels.zone == b", "node.role == manager"),
			"no suitable node (node.labels.zone==b not met on 1 node; node.role==manager not met on 1 node)"},
		{"closed nodes", []string{"a drain", "b drain", "c pause", "d down", "e silent", "f down drain"}, request("web"),
			"no suitable node (2 nodes down; 2 nodes drained; 1 node paused; 1 node unknown)"},
		{"closed first, then most frequent", []string{"a drain", "b zone=b", "c zone=b", "d"},
			Request{Spec: specs.TaskSpec{Reservations: specs.Resources{Memory: 9 * gib}}, Rules: specs.Placement{Constraints: []string{"node.labels.zone==b"}}},
			"no suitable node (1 node drained; insufficient memory on 2 nodes; node.labels.zone==b not met on 1 node)"},
		{"CPUs", []string{"a", "b"}, reserving("web", 5*cpu, gib), "no suitable node (insufficient CPUs on 2 nodes)"},
		{"memory before CPUs", []string{"a"}, reserving("web", 5*cpu, 9*gib), "no suitable node (insufficient memory on 1 node)"},
		{"runtime", []string{"a"}, Request{Spec: specs.TaskSpec{Runtime: "process"}}, "no suitable node (cannot run processes on 1 node)"},
		{"unreadable constraint", []string{"a"}, request("web", "node.labels.zone"), "no suitable node (node.labels.zone not met on 1 node)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCluster(tc.nodes...)
			for range 2 { // the second answer is remembered
				expect(t, c.put(tc.ask, 2), "", tc.want)
			}
		})
	}
}

func TestNodeTurnsReady(t *testing.T) {
	c := newCluster("a down")
	expect(t, c.put(request("web"), 1), "", "no suitable node (1 node down)")
	c.set(readyNode("a"))
	expect(t, c.put(request("web"), 1), "a", "")
	expect(t, c.put(request("web", "node.labels.zone==b"), 1), "", "no suitable node (node.labels.zone==b not met on 1 node)")
	c.set(readyNode("a zone=b"))
	expect(t, c.put(request("web", "node.labels.zone==b"), 1), "a", "")
}

func TestExplain(t *testing.T) {
	c := newCluster("a zone=b", "b drain", "c")
	c.add(reserving("web", 0, 8*gib), "a")
	web := reserving("web", 0, gib)
	for node, want := range map[string]string{
		"a": "insufficient memory", "b": "node is drained", "c": "", "x": "no such node",
	} {
		if got := c.Explain(node, web); got != want {
			t.Errorf("%s: got %q, want %q", node, got, want)
		}
	}
	c.end(0)
	if got := c.Explain("a", web); got != "" {
		t.Errorf("after the end of the only task: %s", got)
	}
	if got, want := c.Explain("c", request("web", "node.labels.zone == b")), "node.labels.zone==b not met"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestShrunkNodeIsOvercommitted(t *testing.T) {
	c := newCluster("a")
	c.put(reserving("web", cpu, 3*gib), 2)
	small := readyNode("a")
	small.Seen.Description.Resources = specs.Resources{CPUs: 4 * cpu, Memory: 5 * gib}
	c.set(small)
	if diff := cmp.Diff(specs.Resources{CPUs: 2 * cpu, Memory: -gib}, c.Free("a")); diff != "" {
		t.Error(diff)
	}
}

func TestCloneIsIndependent(t *testing.T) {
	c := newCluster("a", "b")
	c.put(request("web"), 1)
	copied := c.Clone()
	c.put(request("web"), 2)
	task := specs.Task{ServiceID: "web", Want: specs.TaskWant{Desired: specs.StateRunning, Node: "b"}}
	for range 3 {
		copied.Task(nil, &task, specs.TaskSpec{})
	}
	ask := request("web")
	ask.Count = 3
	expect(t, copied.Place(ask), "a a a", "")
	expect(t, c.Place(ask), "b a b", "")
}

func TestNewReadsTheStore(t *testing.T) {
	web := reserving("web", cpu, 5*gib)
	web.Version = encoding.HashTaskSpec(web.Spec)
	task := specs.Task{ID: "t1", ServiceID: "web", Slot: 1, Spec: web.Version,
		Want: specs.TaskWant{Desired: specs.StateRunning, Node: "a"}}
	st := store.New()
	errs := st.Apply(1, []specs.Transaction{
		{{Node: specs.Insert("a", readyNode("a"))}},
		{{Node: specs.Insert("b", readyNode("b"))}},
		{
			{TaskSpec: &web.Spec},
			{Service: specs.Insert("web", specs.Service{ID: "web", Spec: specs.ServiceSpec{Name: "web", Task: web.Version}})},
			{Task: specs.Insert("t1", task)},
		},
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	web.Count = 2
	expect(t, New(st.Snapshot()).Place(web), "b", "no suitable node (insufficient memory on 2 nodes)")
}
