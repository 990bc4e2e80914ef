package converge_test

import (
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// restart asks for a restart of a service, as an operator does.
func (c *cluster) restart(name string) {
	c.t.Helper()
	svc := c.service(name)
	task, _ := c.store.Snapshot().TaskSpec(svc.Spec.Task)
	task.Restarts++
	svc.Spec.Task = encoding.HashTaskSpec(task)
	c.apply(specs.Transaction{{TaskSpec: &task}, {Spec: specs.Set(svc.ID, svc.SpecVersion, specs.ServiceWant{Spec: svc.Spec})}})
}

// reasons counts the tasks of a service that are not wanted, by why.
func (c *cluster) reasons(name string) map[string]int {
	count := map[string]int{}
	for task := range c.store.Snapshot().TasksOf(c.service(name).ID) {
		if !task.Wanted() {
			count[task.Want.Reason]++
		}
	}
	return count
}

func TestARestartIsARollout(t *testing.T) {
	for name, mode := range map[string]change{"replicated": func(*specs.ServiceSpec, *specs.TaskSpec) {}, "global": global} {
		c := newCluster(t, "n1", "n2", "n3")
		c.push("web", "v1", 3, mode)
		c.live(20 * time.Second)
		for round := 1; round <= 2; round++ {
			c.restart("web")
			fewest := 3
			c.check = func() { fewest = min(fewest, c.running("web")["v1"]) }
			c.live(time.Minute)
			c.check = func() {}
			if got := c.reasons("web"); got[specs.ReasonRestarted] != 3*round || len(got) != 1 {
				t.Errorf("%s, restart %d: tasks made way because of %v", name, round, got)
			}
			if svc := c.service("web"); fewest != 2 || svc.Rollout.State != specs.RolloutCompleted {
				t.Errorf("%s, restart %d: down to %d tasks, then %s", name, round, fewest, svc.Rollout.State)
			}
		}
		c.push("web", "v2", 3, mode)
		c.live(time.Minute)
		if got := c.reasons("web"); got["replaced by a task of the new spec"] != 3 {
			t.Errorf("%s: a push replaces because of %v", name, got)
		}
	}
}

func TestARestartThatFailsPauses(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "missing", 3)
	c.arrived = true
	c.live(20 * time.Second)
	c.arrived = false
	c.restart("web")
	c.live(20 * time.Second)
	if svc := c.service("web"); svc.Rollout.State != specs.RolloutPaused || c.running("web")["missing"] != 2 {
		t.Errorf("%s with %d tasks", svc.Rollout.State, c.running("web")["missing"])
	}
	c.arrived = true
	c.restart("web")
	c.live(time.Minute)
	if svc := c.service("web"); svc.Rollout.State != specs.RolloutCompleted || c.running("web")["missing"] != 3 {
		t.Errorf("restarted again: %s with %d tasks", svc.Rollout.State, c.running("web")["missing"])
	}
}
