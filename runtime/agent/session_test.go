package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

func TestTaskRunsAndStops(t *testing.T) {
	bubble(t, func(c *cluster) {
		n := c.node("n1")
		synctest.Wait()
		if got := n.status(); got != specs.NodeReady {
			t.Fatalf("the node is %s", got)
		}
		c.service("shop_web", web)
		start := time.Now()
		id := c.assign("shop_web", "n1", specs.StateRunning)
		if task := c.sees(id, specs.StateRunning); task.Seen.PID == 0 || task.Seen.Running.IsZero() {
			t.Errorf("seen %+v", task.Seen)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("an idle cluster took %s to get a task to RUNNING", took)
		}

		c.want(id, specs.StateShutdown)
		after(time.Second)
		c.sees(id, specs.StateShutdown)
		if left, _ := n.engine.List(c.Context()); len(left) != 0 {
			t.Errorf("left in the executor: %+v", left)
		}
	})
}
