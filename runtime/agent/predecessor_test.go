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

// A task that the managers have given up has been replaced by the time its node is
// back, and its end is nothing that they wait for.
func TestWhatReplacesAGivenUpTaskWaitsForItsEnd(t *testing.T) {
	for name, forgotten := range map[string]bool{"given up": false, "forgotten, too": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *cluster) {
				n := c.node("n1")
				n.engine.SetImage("database:1", executortest.Behaviour{StopTakes: 50 * time.Second})
				c.service("shop_db", database)
				old := c.fill(1, "shop_db", "n1", specs.StateRunning)
				c.sees(old, specs.StateRunning)
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

// What was on the machine when it was another node may have anything.
func TestWhatWritesWaitsForTheEndOfWhatNobodyKnows(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.engine.SetImage("database:1", executortest.Behaviour{StopTakes: 50 * time.Second})
		c.service("shop_db", database)
		old := c.fill(1, "shop_db", "n1", specs.StateRunning)
		c.sees(old, specs.StateRunning)
		n.crash()
		n.forgetEverything("")
		c.forget(old)
		next := c.fill(1, "shop_db", "n1", specs.StateRunning)
		removing := make(chan struct{})
		n.engine.SetFault(func(op executortest.Op, id string) executortest.Fault {
			if op == executortest.OpRemove && id == old {
				select {
				case <-removing:
				default:
					return executortest.NotDone
				}
			}
			return 0
		})
		n.start()
		after(10 * time.Second)
		c.sees(next, specs.StateStarting)
		close(removing)
		after(time.Minute)
		c.sees(next, specs.StateRunning)
		n.holds(next)
	})
}

// A task that is told to end while its start waits does not start.
func TestAWaitingStartIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.engine.SetImage("database:1", executortest.Behaviour{StopTakes: 50 * time.Second})
		c.service("shop_db", database)
		old := c.fill(1, "shop_db", "n1", specs.StateRunning)
		c.sees(old, specs.StateRunning)
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
