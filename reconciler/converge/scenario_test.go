package converge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

type change = func(*specs.ServiceSpec, *specs.TaskSpec)

func restart(p specs.RestartPolicy) change {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Restart = p }
}

func update(u specs.UpdateConfig) change {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Update = u }
}

func parallel(n uint64) change { return update(specs.UpdateConfig{Parallelism: &n}) }

func place(p specs.Placement) change {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Placement = p }
}

func global(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Mode, s.Replicas = specs.Global, nil }

func inZone(value string) change {
	return place(specs.Placement{Constraints: []string{"node.labels.zone == " + value}})
}

func reserve(memory specs.Bytes) change {
	return func(_ *specs.ServiceSpec, t *specs.TaskSpec) { t.Reservations.Memory = memory }
}

func duration(d time.Duration) *specs.Duration { return (*specs.Duration)(&d) }

func (c *cluster) want(name string, lines ...string) {
	c.t.Helper()
	if diff := cmp.Diff(lines, c.ps(name)); diff != "" {
		c.t.Fatalf("tasks of %s (-want +got):\n%s", name, diff)
	}
}

func TestScenario1CreateAndRemove(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "v1", 2)
	c.settle()
	c.want("web", "1 v1 running running", "2 v1 running running")

	c.remove("web")
	c.converge()
	c.want("web", "1 v1 remove running", "2 v1 remove running")
	c.settle()
	if _, ok := c.store.Snapshot().Service("id-of-web"); ok {
		t.Error("the service's row is still there after its tasks have gone")
	}
	c.want("web")
}

func TestScenario1ALostRowIsFilledAgain(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 2)
	c.settle()
	for task := range c.store.Snapshot().TasksOf("id-of-web") {
		c.apply(specs.Transaction{{Task: specs.Remove[specs.Task](task.ID, task.WantVersion)}})
		break
	}
	c.settle()
	c.want("web", "1 v1 running running", "2 v1 running running")
}

func TestAServiceComesBackWhileItIsBeingRemoved(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1)
	c.settle()
	c.remove("web")
	c.converge()
	c.push("web", "v1", 1)
	c.converge()
	c.want("web", "1 v1 remove running", "1 v1 ready assigned")
	c.settle()
	c.want("web", "1 v1 running running")
}

func TestScenario2ScaleDownKeepsNoHistory(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	c.push("web", "crash@1s", 6)
	c.live(20 * time.Second)
	c.push("web", "crash@1s", 2)
	c.live(3 * time.Second)
	slots := map[string]bool{}
	for _, line := range c.ps("web") {
		slots[strings.Fields(line)[0]] = true
	}
	if len(slots) != 2 {
		t.Errorf("rows of %d slots are left, want 2: %q", len(slots), c.ps("web"))
	}
}

func TestScenario5Restart(t *testing.T) {
	for _, test := range []struct {
		image     string
		condition specs.RestartCondition
		restarts  bool
	}{
		{"brief", specs.RestartAny, true},
		{"brief", specs.RestartOnFailure, false},
		{"brief", specs.RestartNone, false},
		{"crash", specs.RestartAny, true},
		{"crash", specs.RestartOnFailure, true},
		{"crash", specs.RestartNone, false},
	} {
		t.Run(fmt.Sprintf("%s under %s", test.image, test.condition), func(t *testing.T) {
			c := newCluster(t, "n1")
			c.push("web", test.image, 1, restart(specs.RestartPolicy{Condition: test.condition}))
			c.live(4 * time.Second)
			if got := len(c.ps("web")) == 2; got != test.restarts {
				t.Errorf("restarts: %v, want %v: %q", got, test.restarts, c.ps("web"))
			}
		})
	}
}

func TestARejectedTaskIsReplacedAfterTheDelay(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "missing", 1)
	c.settle()
	c.want("web", "1 missing shutdown rejected")
	c.live(4 * time.Second)
	c.want("web", "1 missing shutdown rejected")
	c.live(time.Second)
	c.want("web", "1 missing shutdown rejected", "1 missing shutdown rejected")
}

func TestScenario6TheReplacementIsReadyAtOnceAndWaits(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "crash", 1, restart(specs.RestartPolicy{Delay: duration(100 * time.Millisecond)}))
	c.settle()
	c.want("web", "1 crash shutdown failed", "1 crash ready ready")
	c.now = c.now.Add(99 * time.Millisecond)
	c.settle()
	c.want("web", "1 crash shutdown failed", "1 crash ready ready")
	c.now = c.now.Add(time.Millisecond)
	c.converge()
	c.want("web", "1 crash shutdown failed", "1 crash running ready")
}

func TestScenario7MaxAttempts(t *testing.T) {
	c := newCluster(t, "n1")
	once := restart(specs.RestartPolicy{MaxAttempts: 1})
	c.push("web", "crash", 2, once)
	c.live(time.Minute)
	c.want("web",
		"1 crash shutdown failed", "1 crash shutdown failed",
		"2 crash shutdown failed", "2 crash shutdown failed")

	c.push("web", "crash@8s", 2, once, parallel(0))
	c.live(time.Minute)
	c.want("web",
		"1 crash shutdown failed", "1 crash shutdown failed",
		"1 crash@8s shutdown failed", "1 crash@8s shutdown failed",
		"2 crash shutdown failed", "2 crash shutdown failed",
		"2 crash@8s shutdown failed", "2 crash@8s shutdown failed")
}

// Of many attempts not every task is kept, and a drain in between, which is no end
// of its own, neither counts nor takes its place.
func TestAttemptsAreCountedThoughTheirTasksAreForgotten(t *testing.T) {
	for name, test := range map[string]struct {
		window time.Duration
		want   uint64
	}{
		"at all":          {0, 131},
		"within a window": {time.Hour, 132}, // of which every second one is remembered
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1", "n2")
			policy := specs.RestartPolicy{MaxAttempts: 131, Window: specs.Duration(test.window), Delay: duration(time.Second)}
			c.push("web", "crash@2s", 1, restart(policy))
			most := 0
			c.check = func() { most = max(most, len(c.ps("web"))) }
			for _, node := range []string{"n1", "n2", "n1"} {
				c.live(time.Minute)
				c.node(node, drain)
				c.live(time.Minute)
				c.node(node, open)
			}
			c.live(10 * time.Minute)
			var last specs.Task
			for task := range c.store.Snapshot().TasksOf(c.service("web").ID) {
				last = task
			}
			if last.Wanted() || last.Attempts != test.want {
				t.Errorf("after %d attempts it is desired %s", last.Attempts, last.Want.Desired)
			}
			if most > 125 {
				t.Errorf("%d tasks of it were kept", most)
			}
		})
	}
}

func TestScenario8MaxAttemptsWithinAWindow(t *testing.T) {
	windowed := restart(specs.RestartPolicy{
		MaxAttempts: 1, Window: specs.Duration(30 * time.Second), Delay: duration(time.Second),
	})
	c := newCluster(t, "n1")
	c.push("web", "crash@10s", 1, windowed)
	c.push("api", "crash@40s", 1, windowed)
	c.live(5 * time.Minute)
	c.want("web", "1 crash@10s shutdown failed", "1 crash@10s shutdown failed")
	if got := c.running("api")["crash@40s"]; got != 1 {
		t.Errorf("a service that fails every 40 s is left dead: %q", c.ps("api"))
	}
}

func TestScenario9ANewLeaderCarriesOn(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "crash@2s", 1)
	for range 4 {
		c.settle()
		c.now = c.now.Add(time.Second)
	}
	// The task has failed and waits; the leader is gone with its agenda.
	c.settle()
	c.want("web", "1 crash@2s shutdown failed", "1 crash@2s ready ready")
	waits := c.agenda["id-of-web"]
	c.lead(0)
	c.converge()
	c.want("web", "1 crash@2s shutdown failed", "1 crash@2s ready ready")
	if got := c.agenda["id-of-web"]; !got.Equal(waits) {
		t.Errorf("the next leader wakes at %s, want %s", got, waits)
	}
}

func TestScenario4DrainedAndDownNodesLoseTheirTasks(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*specs.NodeSpec, *specs.NodeSeen)
		want   []string
	}{
		"drained": {drain, []string{"1 v1 shutdown running", "1 v1 ready assigned"}},
		"down":    {down, []string{"1 v1 shutdown running", "1 v1 running assigned"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.push("web", "v1", 1)
			c.settle()
			c.node("n2", nil)
			c.node("n1", test.change)
			c.converge()
			c.want("web", test.want...)
			c.settle()
			if got := c.running("web")["v1"]; name == "drained" && got != 1 {
				t.Errorf("%d tasks run, want 1", got)
			}
			c.node("n1", ready)
			c.settle()
			c.want("web", "1 v1 shutdown shutdown", "1 v1 running running")
		})
	}
}

func TestScenario4AnUnknownNodeKeepsItsTasks(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "v1", 2)
	c.settle()
	c.node("n1", func(_ *specs.NodeSpec, seen *specs.NodeSeen) { seen.Status = specs.NodeUnknown })
	c.converge()
	c.want("web", "1 v1 running running", "2 v1 running running")
}

func TestScenario11AConstraintThatStillHoldsRestartsNothing(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 2)
	c.live(10 * time.Second)
	before := c.tasks("web")
	c.push("web", "v1", 2, place(specs.Placement{Constraints: []string{"node.hostname == n1"}}))
	c.live(10 * time.Second)
	if diff := cmp.Diff(before, c.tasks("web")); diff != "" {
		t.Error(diff)
	}
}

func TestScenario20AConstraintThatFailsMovesTheTask(t *testing.T) {
	c := newCluster(t)
	c.node("n1", zone("b"))
	c.node("n2", zone("a"))
	c.push("web", "v1", 1, place(specs.Placement{Constraints: []string{"node.labels.zone == b"}}))
	c.settle()
	c.node("n1", zone("a"))
	c.node("n2", zone("b"))
	c.settle()
	c.want("web", "1 v1 shutdown shutdown", "1 v1 running running")
	reasons := []string{}
	for task := range c.store.Snapshot().TasksOf("id-of-web") {
		reasons = append(reasons, task.Want.Node+": "+task.Want.Reason)
	}
	if diff := cmp.Diff([]string{"n1: node.labels.zone==b not met on node n1", "n2: "}, reasons); diff != "" {
		t.Error(diff)
	}
}

func TestScenario20ANodeThatShrinksLosesWhatDoesNotFit(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 3, reserve(2<<30))
	c.push("free", "v1", 1)
	c.settle()
	c.node("n1", func(_ *specs.NodeSpec, seen *specs.NodeSeen) { seen.Description.Resources.Memory = 5 << 30 })
	c.settle()
	c.want("free", "1 v1 running running")
	c.want("web", "1 v1 shutdown shutdown", "1 v1 running pending", "2 v1 running running", "3 v1 running running")
	c.node("n2", nil)
	c.settle()
	if got := c.running("web")["v1"]; got != 3 {
		t.Errorf("%d tasks run, want 3: %q", got, c.ps("web"))
	}
}

func TestScenario16History(t *testing.T) {
	for name, test := range map[string]struct {
		history *int
		policy  specs.RestartPolicy
		want    int // ended tasks
	}{
		"five by default":              {nil, specs.RestartPolicy{}, 5},
		"two":                          {new(2), specs.RestartPolicy{}, 2},
		"none":                         {new(0), specs.RestartPolicy{}, 0},
		"all":                          {new(-1), specs.RestartPolicy{}, 12},
		"as many as the attempts need": {new(2), specs.RestartPolicy{MaxAttempts: 6}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.apply(specs.Transaction{{Cluster: &specs.Cluster{Spec: specs.ClusterSettings{History: test.history}}}})
			test.policy.Delay = duration(4 * time.Second)
			c.push("web", "crash@6s", 1, restart(test.policy))
			c.live(125 * time.Second)
			ended := 0
			for _, line := range c.ps("web") {
				if strings.HasSuffix(line, "shutdown failed") {
					ended++
				}
			}
			if ended != test.want {
				t.Errorf("%d ended tasks are kept, want %d", ended, test.want)
			}
		})
	}
}

func TestScenario16TasksThatNeverHadANodeLeaveNothing(t *testing.T) {
	c := newCluster(t)
	c.push("web", "v1", 1)
	c.settle()
	c.push("web", "v2", 1)
	c.settle()
	c.want("web", "1 v2 running pending")
}

func TestScenario17AThousandTasksAreForgottenInOnePass(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1200)
	c.settle()
	c.push("web", "v1", 0)
	c.converge()
	c.work()
	if !c.pass() {
		t.Fatal("nothing was decided")
	}
	c.want("web")
}

func TestScenario23NoReadyNode(t *testing.T) {
	c := newCluster(t)
	c.node("n1", func(_ *specs.NodeSpec, seen *specs.NodeSeen) { seen.Status = specs.NodeDown })
	c.push("web", "v1", 1)
	c.settle()
	c.want("web", "1 v1 running pending")
	c.wantReason("web", "no suitable node (1 node down)")
	c.node("n1", ready)
	c.settle()
	c.want("web", "1 v1 running running")
}

func TestScenario24ADeadTaskMakesRoom(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("db", "v1", 1, reserve(6<<30))
	c.settle()
	c.push("web", "v1", 1, reserve(6<<30))
	c.settle()
	c.want("web", "1 v1 running pending")
	c.wantReason("web", "no suitable node (insufficient memory on 1 node)")
	c.remove("db")
	c.settle()
	c.want("web", "1 v1 running running")
}

func TestScenario27MaxReplicas(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "v1", 3, place(specs.Placement{MaxReplicas: 1}))
	c.settle()
	c.want("web", "1 v1 running running", "2 v1 running running", "3 v1 running pending")
	c.wantReason("web", "no suitable node (max replicas per node limit exceeded on 2 nodes)")
}

func (c *cluster) wantReason(name, reason string) {
	c.t.Helper()
	for task := range c.store.Snapshot().TasksOf("id-of-" + name) {
		if task.Wanted() && task.Want.Node == "" && task.Want.Reason != reason {
			c.t.Errorf("%s is pending because of %q, want %q", task.Name(), task.Want.Reason, reason)
		}
	}
}

func (c *cluster) tasks(name string) []specs.Task {
	return slices.Collect(c.store.Snapshot().TasksOf("id-of-" + name))
}
