package converge_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/specs"
)

// agent declares the global service of these tests.
func (c *cluster) agent(image string, changes ...change) {
	c.t.Helper()
	c.push("agent", image, 0, append(changes, global)...)
}

func TestScenario3EachNodeHasItsTask(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("v1")
	c.settle()
	c.want("agent", "n1 v1 running running", "n2 v1 running running")
	c.node("n3", nil)
	c.settle()
	c.want("agent", "n1 v1 running running", "n2 v1 running running", "n3 v1 running running")
	for _, task := range c.tasks("agent") {
		if task.Slot != 0 || task.Want.Node != task.SlotNode || task.Name() != "agent."+task.Want.Node {
			t.Errorf("%s has slot %d and is on %s", task.Name(), task.Slot, task.Want.Node)
		}
	}
	c.remove("agent")
	c.settle()
	c.want("agent")
}

func TestScenario3WhatBecomesOfTheTaskOfANode(t *testing.T) {
	running := "n1 v1 running running"
	for name, test := range map[string]struct {
		change func(*specs.NodeSpec, *specs.NodeSeen)
		want   []string
		reason string
		back   []string // when the node is as it was
	}{
		"paused":  {pause, []string{running}, "", []string{running}},
		"unknown": {unknown, []string{running}, "", []string{running}},
		"drained": {drain, []string{"n1 v1 shutdown shutdown"}, "node n1 is drained", []string{"n1 v1 shutdown shutdown", running}},
		"down":    {down, []string{running}, "", []string{running}},
		"of another zone": {zone("a"), []string{"n1 v1 shutdown shutdown"}, "node.labels.zone==b not met on node n1",
			[]string{"n1 v1 shutdown shutdown", running}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1", "n2")
			c.node("n1", zone("b"))
			c.agent("v1", inZone("b"))
			c.settle()
			c.node("n1", test.change)
			c.settle()
			c.want("agent", test.want...)
			if got := c.tasks("agent")[0].Want.Reason; got != test.reason {
				t.Errorf("the reason is %q, want %q", got, test.reason)
			}
			c.node("n1", ready)
			c.node("n1", open)
			c.node("n1", zone("b"))
			c.settle()
			c.want("agent", test.back...)
		})
	}
}

func TestScenario3ANodeThatTakesNoTasksGetsNone(t *testing.T) {
	for name, change := range map[string]func(*specs.NodeSpec, *specs.NodeSeen){
		"paused": pause, "drained": drain, "down": down, "unknown": unknown,
		"without the runtime": func(_ *specs.NodeSpec, seen *specs.NodeSeen) { seen.Description.Runtimes = []string{"process"} },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.node("n2", change)
			c.agent("v1")
			c.settle()
			c.want("agent", "n1 v1 running running")
			c.node("n2", func(spec *specs.NodeSpec, seen *specs.NodeSeen) {
				spec.Availability, seen.Status, seen.Description.Runtimes = specs.Active, specs.NodeReady, nil
			})
			c.settle()
			c.want("agent", "n1 v1 running running", "n2 v1 running running")
		})
	}
}

func TestTheTaskOfAPausedNodeIsNotReplacedThere(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("crash@20s", restart(specs.RestartPolicy{Delay: duration(time.Second)}))
	c.settle()
	c.node("n1", pause)
	c.now = c.now.Add(21 * time.Second)
	c.settle()
	c.want("agent", "n1 crash@20s shutdown failed", "n1 crash@20s ready pending",
		"n2 crash@20s shutdown failed", "n2 crash@20s ready ready")
	c.wantReason("agent", "no suitable node (1 node paused)")
	c.node("n1", open)
	c.settle()
	c.want("agent", "n1 crash@20s shutdown failed", "n1 crash@20s ready ready",
		"n2 crash@20s shutdown failed", "n2 crash@20s ready ready")
}

func TestARemovedNodeIsForgotten(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("v1")
	c.push("web", "v1", 2)
	c.settle()
	c.dismiss("n2")
	c.settle()
	c.want("agent", "n1 v1 running running")
	if got := c.running("web")["v1"]; got != 3 { // with the one that nobody hears of any more
		t.Errorf("%d tasks: %q", got, c.ps("web"))
	}
	c.node("n2", nil)
	c.settle()
	c.want("agent", "n1 v1 running running", "n2 v1 running running")
}

func TestScenario28AGlobalTaskWaitsForRoomOnItsNode(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("db", "v1", 1, reserve(6<<30), place(specs.Placement{Constraints: []string{"node.hostname == n1"}}))
	c.settle()
	c.agent("v1", reserve(4<<30))
	c.settle()
	c.want("agent", "n1 v1 running pending", "n2 v1 running running")
	c.wantReason("agent", "no suitable node (insufficient memory on 1 node)")
	c.node("n1", pause)
	c.settle()
	c.wantReason("agent", "no suitable node (1 node paused)")
	c.node("n1", open)
	c.remove("db")
	c.settle()
	c.want("agent", "n1 v1 running running", "n2 v1 running running")
}

func TestAWaitingGlobalTaskGoesWithItsNode(t *testing.T) {
	for name, change := range map[string]func(*cluster){
		"drained": func(c *cluster) { c.node("n1", drain) },
		"down":    func(c *cluster) { c.node("n1", down) },
		"removed": func(c *cluster) { c.dismiss("n1") },
		"down in an outage": func(c *cluster) {
			for _, id := range []string{"n1", "n2", "n3"} {
				c.node(id, drain)
				c.node(id, down)
			}
			c.node("n1", open)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.agent("v1", reserve(1<<40))
			c.settle()
			c.want("agent", "n1 v1 running pending")
			change(c)
			c.settle()
			c.want("agent")
		})
	}
}

func TestMaxReplicasDoesNotApplyToAGlobalService(t *testing.T) {
	c := newCluster(t, "n1")
	c.agent("v1", place(specs.Placement{MaxReplicas: 1}))
	c.live(10 * time.Second)
	c.agent("v2", place(specs.Placement{MaxReplicas: 1}))
	c.live(10 * time.Second)
	c.want("agent", "n1 v1 shutdown shutdown", "n1 v2 running running")
}

func TestAGlobalServiceIsUpdatedNodeByNode(t *testing.T) {
	for name, test := range map[string]struct {
		parallelism uint64
		most        int // tasks down at a time
	}{
		"one at a time": {1, 1},
		"two at a time": {2, 2},
		"all at once":   {0, 4},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1", "n2", "n3", "n4")
			c.agent("v1", parallel(test.parallelism))
			c.live(10 * time.Second)
			most := 0
			c.check = func() { most = max(most, 4-c.running("agent")["v1"]-c.running("agent")["v2"]) }
			c.agent("v2", parallel(test.parallelism))
			c.live(10 * time.Second)
			if got := c.running("agent")["v2"]; got != 4 || most != test.most {
				t.Errorf("%d of 4 nodes run the new spec, %d tasks were down at a time, want %d", got, most, test.most)
			}
			if r := c.service("agent").Rollout; r.State != specs.RolloutCompleted || r.Completed != r.Target {
				t.Errorf("the rollout is %+v", r)
			}
		})
	}
}

func TestAFailurePausesTheUpdateOfAGlobalService(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	c.agent("v1")
	c.live(10 * time.Second)
	c.agent("missing")
	c.live(time.Minute)
	r := c.service("agent").Rollout
	if want := "agent.n1 rejected: missing: no such image"; r.State != specs.RolloutPaused || r.Message != want {
		t.Errorf("the rollout is %s: %q, want paused: %q", r.State, r.Message, want)
	}
	if got := c.running("agent")["v1"]; got != 2 {
		t.Errorf("%d old tasks run, want 2: %q", got, c.ps("agent"))
	}
	c.node("n4", nil) // gets what worked
	c.live(10 * time.Second)
	if got := c.running("agent")["v1"]; got != 3 {
		t.Errorf("%d old tasks run, want 3: %q", got, c.ps("agent"))
	}
}

func TestAPausedNodeIsUpdatedOnceItTakesTasksAgain(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("v1")
	c.live(10 * time.Second)
	c.node("n1", pause)
	c.agent("v2")
	c.live(10 * time.Second)
	c.want("agent", "n1 v1 running running", "n2 v1 shutdown shutdown", "n2 v2 running running")
	if got := c.service("agent").Rollout.State; got != specs.RolloutCompleted {
		t.Errorf("the rollout is %s while the node is paused", got)
	}
	c.node("n1", open)
	c.live(10 * time.Second)
	c.want("agent", "n1 v1 shutdown shutdown", "n1 v2 running running", "n2 v1 shutdown shutdown", "n2 v2 running running")
	if got := c.service("agent").Rollout.State; got != specs.RolloutCompleted {
		t.Errorf("the rollout is %s", got)
	}
}

func TestANodeThatWasAwayComesBackWithWhatIsWantedNow(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("v1")
	c.live(10 * time.Second)
	c.node("n1", down)
	c.live(time.Second)
	c.agent("v2")
	c.live(10 * time.Second)
	if got := c.service("agent").Rollout.State; got != specs.RolloutCompleted {
		t.Errorf("the rollout is %s while the node is down", got)
	}
	c.node("n1", ready)
	c.live(10 * time.Second)
	c.want("agent", "n1 v1 shutdown shutdown", "n1 v2 running running", "n2 v1 shutdown shutdown", "n2 v2 running running")
}

func TestANodeThatWasAwayDuringAFailedUpdateComesBackWithWhatItHad(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("v1")
	c.live(10 * time.Second)
	c.agent("missing")
	c.live(10 * time.Second)
	c.node("n2", down)
	c.settle()
	c.node("n2", ready)
	c.live(10 * time.Second)
	if got := c.running("agent"); got["v1"] != 1 {
		t.Errorf("%v run, want v1 on n2: %q", got, c.ps("agent"))
	}
}

func TestRestartsAreCountedOnEachNode(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("crash", restart(specs.RestartPolicy{MaxAttempts: 1}))
	c.live(time.Minute)
	c.want("agent",
		"n1 crash shutdown failed", "n1 crash shutdown failed",
		"n2 crash shutdown failed", "n2 crash shutdown failed")
}

func TestScenario16HistoryOfEachNode(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("crash@6s", restart(specs.RestartPolicy{Delay: duration(4 * time.Second)}))
	c.live(125 * time.Second)
	ended := map[string]int{}
	for _, task := range c.tasks("agent") {
		if task.Ended() {
			ended[task.SlotNode]++
		}
	}
	if diff := cmp.Diff(map[string]int{"n1": 5, "n2": 5}, ended); diff != "" {
		t.Error(diff)
	}
}

func TestAServiceThatChangesItsMode(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("agent", "v1", 3)
	c.live(10 * time.Second)
	c.agent("v1")
	c.live(10 * time.Second)
	c.want("agent", "n1 v1 running running", "n2 v1 running running")
	c.push("agent", "v1", 1)
	c.live(10 * time.Second)
	c.want("agent", "1 v1 running running")
}

func TestTheRevisionOfAGlobalServiceIsHealthyWhenAllItsNodesAre(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.node("n2", pause)
	c.agent("v1", stack("shop"))
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(3 * time.Second)
	c.wantRevisions("rolling-out")
	c.node("n2", open)
	c.live(3 * time.Second)
	c.wantRevisions("rolling-out") // n1 has proven itself, n2 has not
	c.live(3 * time.Second)
	c.wantRevisions("healthy")
}

func TestARevisionWaitsForTheNodeThatHasJustJoined(t *testing.T) {
	c := newCluster(t, "n1")
	c.agent("v1", stack("shop"))
	c.live(10 * time.Second)
	c.node("n2", nil)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(3 * time.Second)
	c.wantRevisions("rolling-out")
	c.live(3 * time.Second)
	c.wantRevisions("healthy")
}

func TestWanted(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*cluster)
		want   uint64
	}{
		"one for each node":                   {func(*cluster) {}, 3},
		"a node that joins, before its task":  {func(c *cluster) { c.node("n4", nil) }, 4},
		"a paused node that has one":          {func(c *cluster) { c.node("n1", pause) }, 3},
		"a paused node that has none":         {func(c *cluster) { c.node("n1", drain); c.settle(); c.node("n1", pause) }, 2},
		"a paused node whose one has failed":  {func(c *cluster) { c.node("n1", pause); c.agent("missing"); c.settle() }, 3},
		"a drained node":                      {func(c *cluster) { c.node("n1", drain) }, 2},
		"a node that is down":                 {func(c *cluster) { c.node("n1", down); c.settle() }, 2},
		"a removed node":                      {func(c *cluster) { c.dismiss("n1") }, 2},
		"a constraint that some nodes meet":   {func(c *cluster) { c.node("n1", zone("b")); c.agent("v1", inZone("b")) }, 1},
		"a constraint that no node meets":     {func(c *cluster) { c.agent("v1", inZone("b")) }, 0},
		"tasks that wait for room are wanted": {func(c *cluster) { c.agent("v1", reserve(1<<40)) }, 3},
		"a removed service":                   {func(c *cluster) { c.remove("agent") }, 0},
		"a replicated service has replicas":   {func(c *cluster) { c.push("agent", "v1", 7) }, 7},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1", "n2", "n3")
			c.agent("v1")
			c.settle()
			test.change(c)
			if got := converge.Wanted(c.store.Snapshot(), c.service("agent")); got != test.want {
				t.Errorf("%d tasks are wanted, want %d", got, test.want)
			}
		})
	}
}

// A node that joins is a matter of the global services that it takes a task of,
// and of nothing else that rests.
func TestANodeConcernsTheGlobalServicesThatItTakes(t *testing.T) {
	join := func(c *cluster) {
		c.apply(specs.Transaction{{Node: specs.Insert("n2", specs.Node{ID: "n2", Spec: specs.NodeSpec{
			Labels: map[string]string{"zone": "b"},
		}, Seen: specs.NodeSeen{Status: specs.NodeReady}})}})
	}
	for name, test := range map[string]struct {
		change func(*cluster)
		want   []string
	}{
		"it joins": {join, []string{"b", "everywhere"}},
		"it joins, paused": {func(c *cluster) {
			c.apply(specs.Transaction{{Node: specs.Insert("n2", specs.Node{
				ID: "n2", Spec: specs.NodeSpec{Availability: specs.Pause}, Seen: specs.NodeSeen{Status: specs.NodeReady},
			})}})
		}, []string{}},
		"it joins and is not heard yet": {func(c *cluster) {
			c.apply(specs.Transaction{{Node: specs.Insert("n2", specs.Node{ID: "n2"})}})
		}, []string{}},
		"it changes its zone":             {func(c *cluster) { c.node("n1", zone("b")) }, []string{"a", "b", "everywhere", "replicated", "waits"}},
		"room on another node is no help": {func(c *cluster) { c.node("n0", pause) }, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.node("n1", zone("a"))
			c.push("replicated", "v1", 1)
			c.push("everywhere", "v1", 0, global)
			c.push("a", "v1", 0, inZone("a"), global)
			c.push("b", "v1", 0, inZone("b"), global)
			c.settle()
			c.node("n0", drain)
			c.node("n1", func(_ *specs.NodeSpec, seen *specs.NodeSeen) { seen.Description.Resources.Memory = 1 << 40 })
			c.push("waits", "v1", 0, reserve(1<<50), inZone("a"), global)
			c.settle()
			if diff := cmp.Diff(test.want, c.touches(func() { test.change(c) })); diff != "" {
				t.Error(diff)
			}
		})
	}
}
