package converge_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/specs"
)

func TestAPausedNodeKeepsItsTasksAndGetsNone(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "v1", 2)
	c.live(10 * time.Second)
	before := c.ps("web")
	c.node("n1", pause)
	c.settle()
	c.want("web", before...)
	c.push("web", "v1", 6)
	c.push("web", "v2", 6, parallel(0))
	c.live(10 * time.Second)
	for _, task := range c.tasks("web") {
		if task.Wanted() && task.Want.Node == "n1" {
			t.Errorf("%s is on the paused node", task.Name())
		}
	}
	if got := c.running("web")["v2"]; got != 6 {
		t.Errorf("%d of 6 tasks run: %q", got, c.ps("web"))
	}
}

func TestServicesWaitWithTheReasonWhenNoNodeIsLeft(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*specs.NodeSpec, *specs.NodeSeen)
		reason string
		back   []string
	}{
		"drained": {drain, "no suitable node (2 nodes drained)", []string{"1 v1 shutdown shutdown", "1 v1 running running"}},
		"down":    {down, "no suitable node (2 nodes down)", []string{"1 v1 shutdown shutdown", "1 v1 running running"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1", "n2")
			c.push("web", "v1", 1)
			c.live(10 * time.Second)
			c.node("n1", test.change)
			c.node("n2", test.change)
			c.live(time.Hour)
			c.wantReason("web", test.reason)
			if tasks := c.tasks("web"); len(tasks) != 2 || tasks[1].State() != specs.StatePending {
				t.Errorf("the tasks are %q", c.ps("web"))
			}
			for _, id := range []string{"n1", "n2"} {
				c.node(id, ready)
				c.node(id, open)
			}
			c.live(10 * time.Second)
			c.want("web", test.back...)
		})
	}
}

// A drained node lets each task end before its successor runs elsewhere, which
// is prepared there meanwhile.
func TestADrainedNodeStopsNothingWithoutASuccessor(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "stubborn", 1)
	c.live(10 * time.Second)
	c.node("n1", drain)
	c.settle()
	c.want("web", "1 stubborn shutdown running", "1 stubborn ready ready")
	if successor := c.tasks("web")[1]; successor.Want.Node != "n2" || successor.Want.After != c.tasks("web")[0].ID {
		t.Errorf("the successor is %+v", successor.Want)
	}
}

// A node that was cut off keeps running what it had. When it is back it stops
// what was replaced, and nothing else.
func TestANodeThatIsBackStopsExactlyWhatWasReplaced(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "v1", 4)
	c.push("rests", "v1", 2, never)
	c.live(10 * time.Second)
	c.node("n1", down)
	c.live(time.Minute)
	told := map[string]bool{}
	for task := range c.store.Snapshot().TasksOn("n1") {
		told[task.ID] = !task.Wanted()
	}
	c.node("n1", ready)
	c.live(time.Minute)
	ended := map[string]bool{}
	for task := range c.store.Snapshot().TasksOn("n1") {
		if _, was := told[task.ID]; was {
			ended[task.ID] = task.Ended()
		}
	}
	c.want("rests", "1 v1 running running", "2 v1 running running")
	if diff := cmp.Diff(told, ended); diff != "" {
		t.Errorf("told to stop before it was back, and ended (-told +ended):\n%s", diff)
	}
	if got := c.running("web")["v1"]; got != 4 {
		t.Errorf("%d of 4 tasks run: %q", got, c.ps("web"))
	}
}

// never has nothing follow a task that ends or is lost.
var never = restart(specs.RestartPolicy{Condition: specs.RestartNone})

// lost is a cluster with three tasks that nothing follows, of which the one on that node
// is lost: what the node said last of it is not known to be so any more.
func lost(t *testing.T, node string) *cluster {
	c := newCluster(t, "n1", "n2", "n3")
	c.push("web", "v1", 3, never)
	c.live(10 * time.Second)
	c.node(node, down)
	c.settle()
	return c
}

func TestScaleDownTakesFirstWhatIsLost(t *testing.T) {
	c := lost(t, "n1")
	c.push("web", "v1", 2, never)
	c.settle()
	c.want("web", "1 v1 remove running", "2 v1 running running", "3 v1 running running")
}

func TestAnUpdateTakesFirstWhatIsLost(t *testing.T) {
	c := lost(t, "n3")
	c.push("web", "v2", 3, never)
	c.pass()
	c.want("web", "1 v1 running running", "2 v1 running running", "3 v1 shutdown running", "3 v2 running assigned")
}

func TestANodeThatIsDownIsNoRoom(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.node("n1", down)
	c.push("web", "v1", 3, reserve(4<<30))
	c.settle()
	c.want("web", "1 v1 running running", "2 v1 running running", "3 v1 running pending")
	c.wantReason("web", "no suitable node (1 node down; insufficient memory on 1 node)")
}

// The dispatcher gives up the tasks of a node that was removed.
func TestTheTasksOfARemovedNodeAreReplacedAndForgotten(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "v1", 2)
	c.live(10 * time.Second)
	c.dismiss("n1")
	c.live(10 * time.Second)
	for task := range c.store.Snapshot().TasksOn("n1") {
		task.Seen.State = specs.StateOrphaned
		c.apply(specs.Transaction{{TaskSeen: specs.Set(task.ID, task.SeenVersion, task.Seen)}})
	}
	c.live(10 * time.Second)
	c.want("web", "1 v1 shutdown orphaned", "1 v1 running running", "2 v1 running running")
	c.remove("web")
	c.live(10 * time.Second)
	c.want("web")
}

func TestAScaledDownSlotOfALostNodeIsForgottenWhenTheNodeIsBack(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "v1", 2)
	c.live(10 * time.Second)
	c.node("n1", down)
	c.push("web", "v1", 0)
	c.settle()
	c.want("web", "1 v1 remove running")
	c.node("n1", ready)
	c.settle()
	c.want("web")
	if again := converge.Pass(c.input(converge.Dirty{All: true})); len(again.Transactions) > 0 {
		t.Errorf("something is left to decide: %s", show(again.Transactions))
	}
}
