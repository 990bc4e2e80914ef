package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

// fleet is three managers, one of them lost, and two workers.
func fleet() []api.Node {
	node := func(id, name string, spec specs.NodeSpec, status specs.NodeStatus) api.Node {
		return api.Node{Node: specs.Node{ID: id + strings.Repeat("0", 20), Spec: spec, Seen: specs.NodeSeen{
			Status: status, Description: specs.NodeDescription{
				Hostname: name, Engine: "containerd 2.4.2", EngineLabels: map[string]string{"disk": "ssd"},
			}}}}
	}
	nodes := []api.Node{
		node("p5stl", "n1", specs.NodeSpec{Role: specs.Manager}, specs.NodeReady),
		node("a9k2m", "n2", specs.NodeSpec{Role: specs.Manager, Availability: specs.Drain, Labels: map[string]string{"zone": "a"}}, specs.NodeReady),
		node("b7x0q", "n3", specs.NodeSpec{Role: specs.Manager, Availability: specs.Active}, specs.NodeDown),
		node("c3v8t", "web-1", specs.NodeSpec{Role: specs.Worker, Availability: specs.Pause, Labels: map[string]string{"zone": "a"}}, specs.NodeReady),
		node("d1h4r", "web-2", specs.NodeSpec{Role: specs.Worker, Labels: map[string]string{"zone": "b"}}, ""),
	}
	nodes[0].Manager, nodes[1].Manager, nodes[2].Manager = api.Leads, api.Reachable, api.Unreachable
	nodes[1].Self = true
	return nodes
}

func TestNodeLsScreen(t *testing.T) {
	var b strings.Builder
	printNodes(&b, fleet())
	want := `
ID                            HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION
p5stl00000000000000000000     n1         Ready     Active         Leader           containerd 2.4.2
a9k2m00000000000000000000 *   n2         Ready     Drain          Reachable        containerd 2.4.2
b7x0q00000000000000000000     n3         Down      Active         Unreachable      containerd 2.4.2
c3v8t00000000000000000000     web-1      Ready     Pause                           containerd 2.4.2
d1h4r00000000000000000000     web-2      Unknown   Active                          containerd 2.4.2
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNodeInspectScreen(t *testing.T) {
	n := fleet()[1]
	n.Created, n.Tasks, n.Seen.Addr = noon, 7, "10.0.0.2"
	n.Spec.Labels = map[string]string{"zone": "a", "disk": "two\nlines"}
	n.Seen.Description.OS, n.Seen.Description.Arch = "linux", "amd64"
	n.Seen.Description.Resources = specs.Resources{CPUs: 2e9, Memory: 4 << 30}
	var b strings.Builder
	printDetails(&b, func(d *details) { d.node(n) })
	want := `
ID:              a9k2m00000000000000000000
Hostname:        n2
Joined at:       2026-11-23T12:00:00Z
Labels:          disk=two lines
                 zone=a
Role:            Manager
Manager status:  Reachable
State:           Ready
Availability:    Drain
Address:         10.0.0.2
Tasks:           7 running
Platform:        linux/amd64
CPUs:            2
Memory:          4.29GB
Engine:          containerd 2.4.2
Engine labels:   disk=ssd
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNodeFilter(t *testing.T) {
	for args, want := range map[string]string{
		"":                             "n1 n2 n3 web-1 web-2",
		"role=manager":                 "n1 n2 n3",
		"role=manager role=worker":     "n1 n2 n3 web-1 web-2",
		"name=web":                     "web-1 web-2",
		"name=web name=n1":             "n1 web-1 web-2",
		"id=a9k2":                      "n2",
		"label=zone":                   "n2 web-1 web-2",
		"label=zone=a":                 "n2 web-1",
		"label=disk=ssd":               "n1 n2 n3 web-1 web-2",
		"node.label=disk":              "",
		"node.label=zone=b":            "web-2",
		"label=zone=a role=worker":     "web-1",
		"role=worker name=n1":          "",
		"colour=red":                   "--filter colour=red: write it as id=, name=, role=, label= or node.label= and a value",
		"role":                         "--filter role: write it as id=, name=, role=, label= or node.label= and a value",
		"role=boss":                    "--filter role=boss: a role is manager or worker",
		"name=web name=n1 label=other": "",
	} {
		filter, err := parseFilter(nodeFilters, strings.Fields(args))
		var names []string
		for _, n := range filter.pick(fleet()) {
			names = append(names, n.Seen.Description.Hostname)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
}

func TestDrainLine(t *testing.T) {
	waits := func(task, reason string) api.TaskTrouble {
		state := specs.StatePending
		if reason == "" {
			state = specs.StateNew
		}
		return api.TaskTrouble{Task: task, State: state, Reason: reason}
	}
	left := []string{"shop_web.1", "shop_web.2", "shop_web.3"}
	for _, c := range []struct {
		reply api.DrainReply
		want  string
	}{
		{api.DrainReply{Empty: true}, "drain n2: the node has no tasks"},
		{api.DrainReply{Total: 3, Left: left}, "drain n2: 0 of 3 tasks moved"},
		{api.DrainReply{Total: 7, Left: left, Waiting: []api.TaskTrouble{waits("shop_db.1", "no suitable node (1 node drained)")}},
			"drain n2: 3 of 7 tasks moved; shop_db.1 pending: no suitable node (1 node drained)"},
		{api.DrainReply{Total: 3, Empty: true, Waiting: []api.TaskTrouble{waits("shop_db.1", "no suitable node"), waits("shop_db.2", ""), waits("shop_db.3", "")}},
			"drain n2: 0 of 3 tasks moved, the node is empty; shop_db.1 pending: no suitable node; and 2 others"},
		{api.DrainReply{Total: 1, Empty: true, Waiting: []api.TaskTrouble{waits("shop_db.2", "")}}, "drain n2: 0 of 1 task moved, the node is empty; shop_db.2 new"},
		{api.DrainReply{Total: 2, Empty: true, Global: true}, "drain n2: 2 of 2 tasks moved or stopped, the node is empty"},
		{api.DrainReply{Total: 1, Empty: true, Down: true},
			"drain n2: 1 of 1 task moved, the node is empty; it is down: what still runs there is not known, and stops when it is back"},
	} {
		c.reply.Node = "n2"
		if got := drainLine(c.reply); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

func TestDeadlineLine(t *testing.T) {
	left := []string{"a.1", "a.2", "b.1", "b.2"}
	for n, want := range map[int]string{
		0: "its tasks are not known",
		1: "1 task left (a.1)",
		4: "4 tasks left (a.1, a.2, b.1 and 1 more)",
	} {
		want = "swarmgit: node update: n2 is not empty after 30s: " + want +
			`; the drain goes on, nothing is killed harder: see "swarmgit node ps n2"`
		if got := deadlineLine("n2", api.DrainReply{Left: left[:n]}, 30*time.Second); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// The tasks of a node are told like those of a service: what runs now, and below
// it what was in its slot before.
func TestNodePsScreen(t *testing.T) {
	task := func(id, name, node string, desired, seen specs.State, ago time.Duration, err string) api.Task {
		row := specs.Task{
			ID: id + strings.Repeat("0", 13), Created: noon.Add(-hour), Want: specs.TaskWant{Desired: desired, Node: "x"},
			Seen: specs.TaskSeen{State: seen, Since: noon.Add(-ago), Err: err},
		}
		return api.Task{Task: row, Name: name, State: row.State(), Image: "db:17", Hostname: node}
	}
	var b strings.Builder
	printTasks(&b, []api.Task{
		task("v61kcvsq7yqp", "shop_db.1", "n1", specs.StateRunning, specs.StateRunning, time.Minute, ""),
		task("9hm0r2b2u8fx", "shop_db.1", "n2", specs.StateShutdown, specs.StateShutdown, time.Minute, ""),
		task("k0d3dqg8s0c1", "shop_web.2", "n2", specs.StateShutdown, specs.StateFailed, 2*hour, "exit status 1"),
	}, noon, false)
	want := `
ID             NAME            IMAGE   NODE   DESIRED STATE   CURRENT STATE                 ERROR             PORTS
v61kcvsq7yqp   shop_db.1       db:17   n1     Running         Running about a minute ago
9hm0r2b2u8fx    \_ shop_db.1   db:17   n2     Shutdown        Shutdown about a minute ago
k0d3dqg8s0c1   shop_web.2      db:17   n2     Shutdown        Failed 2 hours ago            "exit status 1"
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), trimmed(b.String())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// trimmed is a screen without what nobody sees at the ends of its lines.
func trimmed(screen string) string {
	var b strings.Builder
	for line := range strings.Lines(screen) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
