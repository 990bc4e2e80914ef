package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func TestServicePsScreen(t *testing.T) {
	task := func(id, name, image, node string, want specs.TaskWant, seen specs.TaskSeen) api.Task {
		row := specs.Task{ID: id + strings.Repeat("0", 13), Want: want, Seen: seen, Created: noon.Add(-hour)}
		return api.Task{Task: row, Name: name, State: row.State(), Image: image, Hostname: node}
	}
	before := func(d time.Duration) time.Time { return noon.Add(-d) }
	tasks := []api.Task{
		task("v61kcvsq7yqp", "shop_web.1", "registry.example/web:1.4.0", "n1",
			specs.TaskWant{Desired: specs.StateRunning, Node: "x"},
			specs.TaskSeen{State: specs.StateRunning, Since: before(2 * time.Minute)}),
		task("9hm0r2b2u8fx", "shop_web.1", "registry.example/web:1.3.9", "n1",
			specs.TaskWant{Desired: specs.StateShutdown, Node: "x", Reason: specs.ReasonReplaced},
			specs.TaskSeen{State: specs.StateShutdown, Since: before(2 * time.Minute)}),
		task("k0d3dqg8s0c1", "shop_web.2", "registry.example/web:1.4.0", "",
			specs.TaskWant{Desired: specs.StateRunning, Since: before(10 * time.Second), Reason: "no suitable node (1 node drained; insufficient memory on 2 nodes)"},
			specs.TaskSeen{}),
		task("a0d3dqg8s0c1", "shop_web.3", "registry.example/web:1.4.0", "n2",
			specs.TaskWant{Desired: specs.StateRunning, Node: "x"},
			specs.TaskSeen{State: specs.StatePreparing, Since: before(3 * time.Second), Message: "pull 41%"}),
		task("b0d3dqg8s0c1", "shop_web.3", "registry.example/web:1.4.0", "n2",
			specs.TaskWant{Desired: specs.StateShutdown, Node: "x"},
			specs.TaskSeen{State: specs.StateFailed, Since: before(8 * time.Second), Err: "task: non-zero exit (1)", Message: "started"}),
		task("c0d3dqg8s0c1", "shop_web.4", "registry.example/web:1.4.0", "n2",
			specs.TaskWant{Desired: specs.StateReady, Node: "x", Since: before(time.Second)}, specs.TaskSeen{}),
		task("d0d3dqg8s0c1", "shop_web.5", "registry.example/web:1.4.0", "", specs.TaskWant{Desired: specs.StateRunning}, specs.TaskSeen{}),
	}
	tasks = append(tasks,
		task("e0d3dqg8s0c1", "shop_web.6", "registry.example/web:1.4.0", "n3",
			specs.TaskWant{Desired: specs.StateShutdown, Node: "x", Reason: "node n3 is down"},
			specs.TaskSeen{State: specs.StateRunning, Since: before(time.Minute)}),
		task("f0d3dqg8s0c1", "shop_web.7", "registry.example/web:1.4.0", "", // its node was removed
			specs.TaskWant{Desired: specs.StateShutdown, Node: "4lxei6t1y5jdrq4r9y8yv8mxp", Reason: "node.labels.zone==a not met on node n4"},
			specs.TaskSeen{State: specs.StateShutdown, Since: before(time.Minute)}))
	tasks[0].Ports = []specs.HostPort{{Published: 8080, Target: 80, Protocol: "tcp"}, {Published: 53, Target: 53, Protocol: "udp"}}
	var b strings.Builder
	printTasks(&b, tasks, noon, false)
	want := `
ID             NAME             IMAGE                        NODE           DESIRED STATE   CURRENT STATE                       ERROR                                                            PORTS
v61kcvsq7yqp   shop_web.1       registry.example/web:1.4.0   n1             Running         Running 2 minutes ago                                                                                *:8080->80/tcp, *:53->53/udp
9hm0r2b2u8fx    \_ shop_web.1   registry.example/web:1.3.9   n1             Shutdown        Shutdown 2 minutes ago
k0d3dqg8s0c1   shop_web.2       registry.example/web:1.4.0                  Running         Pending 10 seconds ago              "no suitable node (1 node drained; insufficient memory on ..."
a0d3dqg8s0c1   shop_web.3       registry.example/web:1.4.0   n2             Running         Preparing 3 seconds ago, pull 41%
b0d3dqg8s0c1    \_ shop_web.3   registry.example/web:1.4.0   n2             Shutdown        Failed 8 seconds ago                "task: non-zero exit (1)"
c0d3dqg8s0c1   shop_web.4       registry.example/web:1.4.0   n2             Ready           Assigned 1 second ago
d0d3dqg8s0c1   shop_web.5       registry.example/web:1.4.0                  Running         New about an hour ago
e0d3dqg8s0c1   shop_web.6       registry.example/web:1.4.0   n3             Shutdown        Running about a minute ago          "node n3 is down"
f0d3dqg8s0c1   shop_web.7       registry.example/web:1.4.0   4lxei6t1y5jd   Shutdown        Shutdown about a minute ago         "node.labels.zone==a not met on node n4"
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), trimmed(b.String())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
