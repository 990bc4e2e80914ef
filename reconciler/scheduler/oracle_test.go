package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// oracle is the rule of the package comment, word for word and slow.
func (c *cluster) oracle(r Request) Result {
	extra := make(map[string]int)
	var got Result
	for range r.Count {
		node, ok := c.best(r, extra)
		if !ok {
			got.Reason = c.why(r, extra)
			return got
		}
		extra[node]++
		got.Nodes = append(got.Nodes, node)
	}
	return got
}

func (c *cluster) best(r Request, extra map[string]int) (id string, ok bool) {
	var bestKey []int
	for _, n := range slices.Sorted(maps.Keys(c.nodes)) {
		if c.lacks(n, r, extra) != "" {
			continue
		}
		key := []int{number(c.failures(n, r) >= FaultyAfter)}
		for depth := range r.Rules.Preferences {
			key = append(key, c.tasksWhere(func(m string) bool {
				for _, label := range r.Rules.Preferences[:depth+1] {
					name := strings.TrimPrefix(label, nodeLabels)
					if c.nodes[m].Spec.Labels[name] != c.nodes[n].Spec.Labels[name] {
						return false
					}
				}
				return true
			}, r.ServiceID, extra))
		}
		on := func(m string) bool { return m == n }
		key = append(key, c.tasksWhere(on, r.ServiceID, extra), c.tasksWhere(on, "", extra))
		if !ok || slices.Compare(key, bestKey) < 0 {
			id, bestKey, ok = n, key, true
		}
	}
	return id, ok
}

// tasksWhere counts the tasks of a service, "" for all, on some nodes.
func (c *cluster) tasksWhere(on func(node string) bool, service string, extra map[string]int) int {
	count := 0
	for _, p := range c.tasks {
		_, exists := c.nodes[p.task.Want.Node]
		if exists && on(p.task.Want.Node) && (service == "" || p.task.ServiceID == service) && !p.task.Ended() && p.task.Wanted() {
			count++
		}
	}
	for node, n := range extra {
		if on(node) {
			count += n
		}
	}
	return count
}

func (c *cluster) failures(node string, r Request) int {
	if r.Past == nil {
		return 0
	}
	count := 0
	for t := range r.Past {
		count += number(t.Want.Node == node && t.Spec == r.Version)
	}
	return count
}

// lacks is the first thing that the node lacks for one task more.
func (c *cluster) lacks(id string, r Request, extra map[string]int) string {
	n := c.nodes[id]
	switch {
	case n.Seen.Status == specs.NodeDown:
		return "1 node down"
	case n.Spec.Availability == specs.Drain:
		return "1 node drained"
	}
	for _, text := range r.Rules.Constraints {
		if constraint, err := ParseConstraint(text); err != nil || !constraint.Meets(&n) {
			return text + " not met"
		}
	}
	free, need := c.freeOn(id), r.Spec.Reservations
	switch placed := extra[id]; {
	case need.Memory > 0 && free.Memory < need.Memory*specs.Bytes(placed+1):
		return "insufficient memory"
	case need.CPUs > 0 && free.CPUs < need.CPUs*specs.NanoCPUs(placed+1):
		return "insufficient CPUs"
	}
	for _, port := range r.Spec.HostPorts {
		if extra[id] > 0 || c.holds(id, port) {
			return "host-mode port " + port.String() + " already in use"
		}
	}
	switch {
	case r.Rules.MaxReplicas > 0 && c.tasksWhere(func(m string) bool { return m == id }, r.ServiceID, extra) >= int(r.Rules.MaxReplicas):
		return "max replicas per node limit exceeded"
	}
	return ""
}

func (c *cluster) holds(id string, port specs.HostPort) bool {
	return slices.ContainsFunc(c.tasks, func(p placed) bool {
		return p.task.Want.Node == id && !p.task.Ended() && slices.Contains(p.spec.HostPorts, port)
	})
}

func (c *cluster) freeOn(id string) specs.Resources {
	free := c.nodes[id].Seen.Description.Resources
	for _, p := range c.tasks {
		if p.task.Want.Node == id && !p.task.Ended() {
			free.CPUs -= p.spec.Reservations.CPUs
			free.Memory -= p.spec.Reservations.Memory
		}
	}
	return free
}

func (c *cluster) why(r Request, extra map[string]int) string {
	if len(c.nodes) == 0 {
		return "no nodes in the cluster"
	}
	counts := make(map[string]int)
	for id := range c.nodes {
		counts[c.lacks(id, r, extra)]++
	}
	rank := func(why string) int { return number(!strings.HasPrefix(why, "1 node ")) }
	var clauses []string
	for _, why := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(rank(a)-rank(b), counts[b]-counts[a], strings.Compare(a, b))
	}) {
		nodes := fmt.Sprintf("%d nodes", counts[why])
		if counts[why] == 1 {
			nodes = "1 node"
		}
		if state, closed := strings.CutPrefix(why, "1 node "); closed {
			clauses = append(clauses, nodes+" "+state)
		} else {
			clauses = append(clauses, why+" on "+nodes)
		}
	}
	return "no suitable node (" + strings.Join(clauses, "; ") + ")"
}

// fresh is a State that was told of everything at once.
func (c *cluster) fresh() *State {
	s := New(store.New().Snapshot())
	for _, p := range c.tasks {
		s.Task(nil, &p.task, p.spec)
	}
	for _, n := range c.nodes {
		s.Node(nil, &n)
	}
	return s
}

var (
	someLabels      = rapid.SampledFrom([]string{"", "x", "y", "z"})
	someServices    = rapid.SampledFrom([]string{"web", "db", "cache"})
	somePreferences = rapid.SampledFrom([][]string{nil, nil, {"node.labels.zone"}, {"node.labels.rack"}, {"node.labels.zone", "node.labels.rack"}})
	someConstraints = rapid.SampledFrom([][]string{nil, nil, {"node.labels.zone!=x"}, {"node.labels.zone==y", "node.id!=n3"}, {"node.labels.rack==z"}, {"nonsense"}})
	somePorts       = rapid.SampledFrom([][]specs.HostPort{nil, nil, {web}, {dns}, {dns, web}})
	someStatus      = rapid.SampledFrom([]string{"", "", "", "", "down", "drain"})
)

var (
	web = specs.HostPort{Published: 80, Target: 80, Protocol: "tcp"}
	dns = specs.HostPort{Published: 53, Target: 53, Protocol: "udp"}
)

func drawNode(t *rapid.T) specs.Node {
	id := rapid.IntRange(0, 9).Draw(t, "node")
	n := readyNode(fmt.Sprintf("n%d zone=%s rack=%s %s", id,
		someLabels.Draw(t, "zone"), someLabels.Draw(t, "rack"), someStatus.Draw(t, "status")))
	n.Seen.Description.Resources = specs.Resources{
		CPUs:   cpu * specs.NanoCPUs(rapid.IntRange(0, 4).Draw(t, "CPUs")),
		Memory: gib * specs.Bytes(rapid.IntRange(0, 8).Draw(t, "memory")),
	}
	return n
}

func drawRequest(t *rapid.T, c *cluster) Request {
	r := Request{
		ServiceID: someServices.Draw(t, "service"),
		Version:   "v1",
		Count:     rapid.IntRange(1, 12).Draw(t, "count"),
		Rules: specs.Placement{
			Constraints: someConstraints.Draw(t, "constraints"), Preferences: somePreferences.Draw(t, "preferences"),
			MaxReplicas: uint64(rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "max")),
		},
	}
	r.Spec.Reservations = specs.Resources{
		CPUs:   cpu * specs.NanoCPUs(rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "CPUs")),
		Memory: gib * specs.Bytes(rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "memory")),
	}
	r.Spec.HostPorts = somePorts.Draw(t, "ports")
	if rapid.Bool().Draw(t, "some nodes are faulty") {
		r.Past = slices.Values(drawFailures(t))
	}
	return r
}

func drawFailures(t *rapid.T) []specs.Task {
	var past []specs.Task
	for _, node := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 1, 4, rapid.ID).Draw(t, "faulty") {
		failed := specs.Task{
			Spec: "v1", Seen: specs.TaskSeen{State: specs.StateRejected},
			Want: specs.TaskWant{Node: fmt.Sprintf("n%d", node)},
		}
		past = append(past, slices.Repeat([]specs.Task{failed}, rapid.IntRange(4, 5).Draw(t, "failures"))...)
	}
	return past
}

// What Place finds is what choosing node after node by the rule finds, whatever
// happened before, on the State that followed it, on a clone of that, and on
// one that was made anew.
func TestPlaceIsTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster()
		for range rapid.IntRange(0, 6).Draw(t, "nodes") {
			c.set(drawNode(t))
		}
		t.Repeat(map[string]func(*rapid.T){
			"place": func(t *rapid.T) {
				r := drawRequest(t, c)
				want := c.oracle(r)
				check(t, "made anew", want, c.fresh().Place(r))
				check(t, "cloned", want, c.Clone().Place(r))
				check(t, "followed", want, c.put(r, r.Count))
			},
			"node comes or changes": func(t *rapid.T) { c.set(drawNode(t)) },
			"node goes": func(t *rapid.T) {
				if len(c.nodes) > 0 {
					c.forget(rapid.SampledFrom(slices.Sorted(maps.Keys(c.nodes))).Draw(t, "node"))
				}
			},
			"task is stopped": func(t *rapid.T) { c.someTask(t, c.stop) },
			"task ends":       func(t *rapid.T) { c.someTask(t, c.end) },
			"task is forgotten": func(t *rapid.T) {
				c.someTask(t, func(i int) {
					c.Task(&c.tasks[i].task, nil, c.tasks[i].spec)
					c.tasks = slices.Delete(c.tasks, i, i+1)
				})
			},
		})
	})
}

func (c *cluster) someTask(t *rapid.T, do func(i int)) {
	if len(c.tasks) > 0 {
		do(rapid.IntRange(0, len(c.tasks)-1).Draw(t, "task"))
	}
}

// check compares nodes exactly. Of two reasons for no node at all, the older may
// blame memory where CPUs are missing by now as well, or the limit of replicas
// not at all: both are still true, so only what they say of closed nodes and of
// attributes is compared.
func check(t *rapid.T, which string, want, got Result) {
	t.Helper()
	if diff := gocmp.Diff(want.Nodes, got.Nodes); diff != "" {
		t.Fatalf("%s: nodes (-want +got):\n%s", which, diff)
	}
	if which != "made anew" {
		want.Reason, got.Reason = withoutRoom(want.Reason), withoutRoom(got.Reason)
	}
	if want.Reason != got.Reason {
		t.Fatalf("%s: reason:\nwant %q\n got %q", which, want.Reason, got.Reason)
	}
}

func withoutRoom(reason string) string {
	var kept []string
	inner := strings.TrimSuffix(strings.TrimPrefix(reason, "no suitable node ("), ")")
	for clause := range strings.SplitSeq(inner, "; ") {
		if !strings.HasPrefix(clause, "insufficient") && !strings.HasPrefix(clause, "max replicas") && !strings.HasPrefix(clause, "host-mode port") {
			kept = append(kept, clause)
		}
	}
	return strings.Join(kept, "; ")
}
