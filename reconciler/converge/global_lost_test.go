package converge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/specs"
)

// Nothing replaces the task of a global service while its node is down: it goes on
// as the same task, unless something else than the silence takes it away.
func TestWhatBecomesOfTheGlobalTaskOfANodeThatIsDown(t *testing.T) {
	const runs, told, stopped = "n1 v1 running running", "n1 v1 shutdown running", "n1 v1 shutdown shutdown"
	for name, test := range map[string]struct {
		meanwhile func(*cluster)
		lost      []string // on n1 while it is down
		back      []string
	}{
		"nothing happens":      {func(*cluster) {}, []string{runs}, []string{runs}},
		"it is paused":         {func(c *cluster) { c.node("n1", pause) }, []string{runs}, []string{runs}},
		"another leader comes": {func(c *cluster) { c.lead(time.Hour) }, []string{runs}, []string{runs}},
		"a node joins":         {func(c *cluster) { c.node("n3", nil) }, []string{runs}, []string{runs}},
		"it is drained":        {func(c *cluster) { c.node("n1", drain) }, []string{told}, []string{stopped}},
		"it is drained for a while": {func(c *cluster) {
			c.node("n1", drain)
			c.settle()
			c.node("n1", open)
		}, []string{told}, []string{stopped, runs}},
		"it gets into another zone":        {func(c *cluster) { c.node("n1", zone("a")) }, []string{told}, []string{stopped}},
		"the service goes to another zone": {func(c *cluster) { c.agent("v1", inZone("a")) }, []string{told}, []string{stopped}},
		"the service is updated":           {func(c *cluster) { c.agent("v2", inZone("b")) }, []string{runs}, []string{stopped, "n1 v2 running running"}},
		"an update fails":                  {func(c *cluster) { c.agent("missing", inZone("b")) }, []string{runs}, []string{runs}},
		"the service is removed":           {func(c *cluster) { c.remove("agent") }, []string{"n1 v1 remove running"}, nil},
		"it is given up": {func(c *cluster) {
			task := c.tasks("agent")[0]
			task.Seen.State = specs.StateOrphaned
			c.apply(specs.Transaction{{TaskSeen: specs.Set(task.ID, task.SeenVersion, task.Seen)}})
		}, []string{"n1 v1 shutdown orphaned"}, []string{"n1 v1 shutdown orphaned", runs}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.node("n1", zone("b"))
			c.node("n2", zone("b"))
			c.agent("v1", inZone("b"))
			c.live(10 * time.Second)
			first := c.tasks("agent")[0].ID
			c.node("n1", down)
			c.settle()
			test.meanwhile(c)
			c.live(time.Minute)
			c.wantOn("n1", test.lost...)
			if state := c.rollouts(); state == specs.RolloutUpdating {
				t.Error("the rollout waits for the node")
			}
			c.node("n1", ready)
			c.live(time.Minute)
			c.wantOn("n1", test.back...)
			if tasks := c.tasks("agent"); len(tasks) > 0 && tasks[0].ID != first {
				t.Errorf("the first task on n1 is %s, it was %s", tasks[0].ID, first)
			}
			if state := c.rollouts(); state == specs.RolloutUpdating {
				t.Error("the rollout does not end")
			}
		})
	}
}

// wantOn checks the tasks of the global service on one node.
func (c *cluster) wantOn(node string, want ...string) {
	c.t.Helper()
	var got []string
	for _, line := range c.ps("agent") {
		if strings.HasPrefix(line, node+" ") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("tasks on %s (-want +got):\n%s", node, diff)
	}
}

// rollouts is how the rollout of the global service stands, if there is one.
func (c *cluster) rollouts() specs.RolloutState {
	svc, _ := c.store.Snapshot().ServiceNamed("agent")
	return svc.Rollout.State
}

// A node is lost between the end of an old task and the start of the new one: the
// new one starts there once the old one has stopped, or had its time since the node
// is back.
func TestWhatANodeWasAboutToStartWaitsUntilItIsBack(t *testing.T) {
	c := newCluster(t, "n1")
	c.agent("stubborn")
	c.live(10 * time.Second)
	c.agent("v2")
	c.settle()
	about := []string{"n1 stubborn shutdown running", "n1 v2 ready ready"}
	c.want("agent", about...)
	c.node("n1", down)
	c.live(5 * time.Minute)
	c.want("agent", about...)
	c.node("n1", ready)
	c.live(59 * time.Second)
	c.want("agent", about...)
	c.live(time.Second)
	c.want("agent", "n1 stubborn shutdown running", "n1 v2 running running")
}

// So does the task that follows one which was told to stop while its node was down.
func TestATaskThatWasToldToStopOnALostNodeHasItsTimeOnceThatIsBack(t *testing.T) {
	c := newCluster(t, "n1")
	c.agent("stubborn")
	c.live(10 * time.Second)
	c.node("n1", down)
	c.node("n1", drain)
	c.live(5 * time.Minute)
	c.node("n1", open)
	c.node("n1", ready)
	c.live(59 * time.Second)
	c.want("agent", "n1 stubborn shutdown running", "n1 stubborn ready ready")
	c.live(time.Second)
	c.want("agent", "n1 stubborn shutdown running", "n1 stubborn running running")
}

func TestARevisionDoesNotWaitForANodeThatIsDown(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.node("n1", pause) // as the update finds it: the task there waits for its node
	c.agent("v1", stack("shop"))
	c.live(10 * time.Second)
	c.node("n1", open)
	c.pass()
	c.node("n1", down)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(10 * time.Second)
	c.wantOn("n1", "n1 v1 running assigned")
	c.wantRevisions("healthy")
}

// What a node that is down said last is no promise: its tasks are kept, are not
// counted as running, and those of global services are not missed.
func TestHowTheTasksOfANodeThatIsDownCount(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.agent("v1")
	c.push("rests", "v1", 2, never)
	c.live(10 * time.Second)
	c.node("n1", down)
	c.settle()
	snap := c.store.Snapshot()
	for name, want := range map[string][3]uint64{"agent": {1, 1, 2}, "rests": {1, 2, 2}} {
		var running uint64
		for _, task := range c.tasks(name) {
			if converge.Runs(snap, &task) {
				running++
			}
		}
		svc := c.service(name)
		if got := [3]uint64{running, converge.Wanted(snap, svc), converge.Kept(snap, svc)}; got != want {
			t.Errorf("%s: running, wanted and kept are %v, want %v", name, got, want)
		}
	}
}
