package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

// database is a task that takes most of a minute to stop, and of which no two of one
// slot may run at a time.
var database = specs.TaskSpec{
	Image:     "database:1",
	Mounts:    []specs.Mount{{Type: specs.MountVolume, Source: "data", Target: "/data"}},
	StopGrace: new(specs.Duration(time.Minute)),
}

// database is a node on which shop_db.1 runs.
func (c *cluster) database() (n *node, id string) {
	n = c.node("n1")
	n.engine.SetImage("database:1", executortest.Behaviour{StopTakes: 50 * time.Second})
	c.service("shop_db", database)
	id = c.fill(1, "shop_db", "n1", specs.StateRunning)
	c.sees(id, specs.StateRunning)
	return n, id
}

// A task that the managers have given up has been replaced by the time its node is
// back, and its end is nothing that they wait for.
func TestWhatReplacesAGivenUpTaskWaitsForItsEnd(t *testing.T) {
	for name, forgotten := range map[string]bool{"given up": false, "forgotten, too": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *cluster) {
				n, old := c.database()
				n.disconnect()
				after(25 * time.Hour)
				c.sees(old, specs.StateOrphaned)
				if forgotten {
					c.forget(old)
				}
				next := c.fill(1, "shop_db", "n1", specs.StateRunning)
				beside := c.fill(2, "shop_db", "n1", specs.StateRunning)
				n.reconnect()
				after(20 * time.Second)
				c.sees(beside, specs.StateRunning)
				if task := c.sees(next, specs.StateStarting); !strings.Contains(task.Seen.Message, "waits for the end of task "+old) {
					t.Errorf("it says %q", task.Seen.Message)
				}
				after(time.Minute)
				if task := c.sees(next, specs.StateRunning); task.Seen.Message != "" {
					t.Errorf("it says %q", task.Seen.Message)
				}
				n.holds(next, beside)
			})
		})
	}
}

// What was on the machine when it was another node may have what its service has, in
// whatever slot.
func TestWhatWritesWaitsForTheEndOfWhatNobodyKnows(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, old := c.database()
		second := c.fill(2, "shop_db", "n1", specs.StateRunning)
		c.sees(second, specs.StateRunning)
		n.crash()
		n.forgetEverything("")
		c.forget(old)
		c.forget(second)
		next := c.fill(3, "shop_db", "n1", specs.StateRunning)
		c.service("shop_cache", database)
		other := c.fill(1, "shop_cache", "n1", specs.StateRunning)
		n.engine.SetFault(func(op executortest.Op, id string) executortest.Fault {
			if op == executortest.OpStop && (id == old || id == second) {
				return executortest.NotDone
			}
			return 0
		})
		n.start()
		after(10 * time.Minute)
		c.sees(other, specs.StateRunning)
		want := "waits for the end of task " + min(old, second) + ", which no manager knows"
		if task := c.sees(next, specs.StateStarting); task.Seen.Message != want {
			t.Errorf("it says %q, want %q", task.Seen.Message, want)
		}
		n.engine.SetFault(nil)
		after(time.Minute)
		c.sees(next, specs.StateRunning)
		n.holds(next, other)
	})
}

// What has ended writes no more, whatever keeps it from being removed.
func TestWhatEndedAndCannotBeRemovedHoldsUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, old := c.database()
		n.crash()
		n.forgetEverything("")
		c.forget(old)
		next := c.fill(1, "shop_db", "n1", specs.StateRunning)
		n.engine.SetFault(func(op executortest.Op, id string) executortest.Fault {
			if op == executortest.OpRemove && id == old {
				return executortest.NotDone
			}
			return 0
		})
		n.start()
		after(time.Minute)
		c.sees(next, specs.StateRunning)
		n.engine.SetFault(nil)
		after(time.Minute)
		n.holds(next)
	})
}

// A task that is told to end while its start waits does not start.
func TestAWaitingStartIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, old := c.database()
		c.want(old, specs.StateShutdown)
		next := c.fill(1, "shop_db", "n1", specs.StateRunning)
		after(time.Second)
		c.sees(next, specs.StateStarting)
		c.want(next, specs.StateShutdown)
		after(2 * time.Minute)
		c.sees(next, specs.StateShutdown)
		if starts := n.engine.Starts()[next]; starts != 0 {
			t.Errorf("it was started %d times", starts)
		}
	})
}
