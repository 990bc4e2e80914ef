package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

// scenario runs a test in a cluster of so many nodes of 8 GiB.
func scenario(t *testing.T, nodes int, tell func(*simCluster)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		descriptions := make([]specs.NodeDescription, nodes)
		for i := range descriptions {
			descriptions[i] = simNodeOf(8<<30, "ssd")
		}
		c := newSimCluster(t, 1, descriptions...)
		c.image(simMissing, executortest.NoSuchImage(simMissing))
		c.image(simCrash, executortest.Exits(10*time.Millisecond, 1))
		c.image(simShort, executortest.Exits(3*time.Second, 0))
		tell(c)
		c.wantInvariants()
	})
}

// web is a tree of one stack with one service.
func web(s simService) simTree { return simTree{"shop": {"web": s}} }

// roll pushes a tree and waits for its end, which must be that.
func (c *simCluster) roll(tree simTree, end specs.RevisionState) specs.Revision {
	c.Helper()
	rev := c.settle(c.push(tree.files()))
	if rev.Progress.State != end {
		c.Fatalf("the revision is %s: %q, want %s", rev.Progress.State, rev.Progress.Reason, end)
	}
	return rev
}

// tasks are the tasks of a service, the oldest of a slot first.
func (c *simCluster) tasks(service string) []specs.Task {
	svc, _ := c.snapshot().ServiceNamed(service)
	return slices.Collect(c.snapshot().TasksOf(svc.ID))
}

// images counts what runs of a service, by image.
func (c *simCluster) images(service string) map[string]int {
	count := make(map[string]int)
	for _, n := range c.nodes {
		for _, task := range n.engine.Running() {
			if task.ServiceName == service {
				count[task.Spec.Image]++
			}
		}
	}
	return count
}

func (c *simCluster) wantImages(service string, want map[string]int) {
	c.Helper()
	if diff := cmp.Diff(want, c.images(service)); diff != "" {
		c.Fatalf("running of %s (-want +got):\n%s", service, diff)
	}
}

// perNode counts the running tasks of each node.
func (c *simCluster) perNode() []int {
	var counts []int
	for _, n := range c.nodes {
		counts = append(counts, len(n.engine.Running()))
	}
	return counts
}

func TestSlotsAreFilledAgainAndGoWithTheirStack(t *testing.T) {
	scenario(t, 1, func(c *simCluster) {
		c.roll(web(simService{image: simHealthy(1), replicas: 2}), specs.RevisionHealthy)
		before := c.tasks("shop_web")
		if len(before) != 2 || before[0].Slot != 1 || before[1].Slot != 2 {
			t.Fatalf("slots of %v", before)
		}
		c.nodes[0].engine.Lose(before[1].ID)
		time.Sleep(time.Minute)
		after := c.tasks("shop_web")
		if len(after) != 3 || after[0].ID != before[0].ID || after[2].Slot != 2 || after[2].Seen.State != specs.StateRunning {
			t.Fatalf("after a loss there is %v", after)
		}
		c.roll(simTree{}, specs.RevisionHealthy)
		for task := range c.snapshot().Tasks() {
			t.Errorf("%s is still known", task.Name())
		}
		for svc := range c.snapshot().Services() {
			t.Errorf("%s is still known", svc.Spec.Name)
		}
		c.wantConverged()
	})
}

func TestScaleDownTakesWhatDoesNotRunAndKeepsTheBalance(t *testing.T) {
	scenario(t, 3, func(c *simCluster) {
		s := simService{image: simHealthy(1), replicas: 8, maxPerNode: 2, parallelism: 1}
		c.roll(web(s), specs.RevisionPaused) // two of eight have no node
		six := c.running()
		s.replicas = 6
		c.roll(web(s), specs.RevisionHealthy)
		if diff := cmp.Diff(six, c.running()); diff != "" {
			t.Errorf("running tasks went before pending ones: %s", diff)
		}
		s.replicas = 3
		c.roll(web(s), specs.RevisionHealthy)
		if got := c.perNode(); !slices.Equal(got, []int{1, 1, 1}) {
			t.Errorf("tasks per node: %v", got)
		}
		if left := c.tasks("shop_web"); len(left) != 3 {
			t.Errorf("%d tasks are remembered, want 3: what is scaled down leaves no history", len(left))
		}
	})
}

func TestARolloutHasNoMoreThanItsParallelismDown(t *testing.T) {
	for parallelism, lowest := range map[int]int{1: 4, 2: 3, 0: 0} {
		t.Run(fmt.Sprint(parallelism), func(t *testing.T) {
			scenario(t, 2, func(c *simCluster) {
				c.image(simHealthy(2), executortest.Behaviour{PrepareTakes: time.Second, StartTakes: time.Second})
				s := simService{image: simHealthy(1), replicas: 5, parallelism: parallelism}
				c.roll(web(s), specs.RevisionHealthy)
				s.image = simHealthy(2)
				p := c.push(web(s).files())
				low := 5
				for !c.revision(p.commit).Progress.State.Ended() {
					low = min(low, len(c.running()))
					time.Sleep(100 * time.Millisecond)
				}
				if low != lowest {
					t.Errorf("%d of 5 ran at the lowest, want %d", low, lowest)
				}
				c.wantImages("shop_web", map[string]int{simHealthy(2): 5})
			})
		})
	}
}

func TestTheFirstFailurePausesUntilAnotherPush(t *testing.T) {
	scenario(t, 2, func(c *simCluster) {
		s := simService{image: simHealthy(1), replicas: 4, parallelism: 1, delay: 6} // longer than it is watched
		c.roll(web(s), specs.RevisionHealthy)
		for _, bad := range []struct{ image, cause string }{
			{simMissing, "no such image"}, {simCrash, "non-zero exit (1)"}, {simShort, "complete"},
		} {
			s.image = bad.image
			rev := c.roll(web(s), specs.RevisionPaused)
			if !strings.Contains(rev.Progress.Reason, bad.cause) || !strings.Contains(rev.Progress.Reason, "shop_web.1") {
				t.Errorf("%s: paused by %q", bad.image, rev.Progress.Reason)
			}
			time.Sleep(time.Hour)
			if got := c.images("shop_web")[simHealthy(1)]; got != 3 {
				t.Errorf("%s: %d old tasks run after an hour, want 3", bad.image, got)
			}
		}
		s.image = simHealthy(2)
		c.roll(web(s), specs.RevisionHealthy)
		c.wantImages("shop_web", map[string]int{simHealthy(2): 4})
	})
}

// Whatever is pushed beside a paused service, it is not forgotten.
func TestAPausedServiceIsToldUntilItIsMended(t *testing.T) {
	scenario(t, 1, func(c *simCluster) {
		bad := simService{image: simMissing, replicas: 4, parallelism: 1}
		tree := web(simService{image: simHealthy(1), replicas: 4, parallelism: 1})
		c.roll(tree, specs.RevisionHealthy)
		tree["shop"]["web"] = bad
		c.roll(tree, specs.RevisionPaused)
		for range 2 {
			if p := c.plan(tree.files()); p.Totals != (planner.Totals{Untouched: 3}) || len(p.Paused) != 1 || p.Paused[0].Old != 3 {
				t.Errorf("planned %s, paused %+v", p.Totals, p.Paused)
			}
			rev := c.roll(tree, specs.RevisionPaused)
			if !strings.HasPrefix(rev.Progress.Reason, "shop_web stays paused: shop_web.") {
				t.Errorf("the same tree again is paused by %q", rev.Progress.Reason)
			}
		}
		tree["other"] = map[string]simService{"db": {image: simHealthy(2), replicas: 1}}
		rev := c.roll(tree, specs.RevisionPaused)
		c.wantImages("other_db", map[string]int{simHealthy(2): 1})
		c.wantImages("shop_web", map[string]int{simHealthy(1): 3})
		if !strings.HasPrefix(rev.Progress.Reason, "shop_web stays paused: ") {
			t.Errorf("another stack's revision is paused by %q", rev.Progress.Reason)
		}
		bad.image = simHealthy(1)
		tree["shop"]["web"] = bad
		c.roll(tree, specs.RevisionHealthy)
	})
}

func TestAFailureThatIsToldToContinueStopsNothing(t *testing.T) {
	scenario(t, 2, func(c *simCluster) {
		s := simService{image: simHealthy(1), replicas: 3, parallelism: 1, action: ", failure_action: continue"}
		c.roll(web(s), specs.RevisionHealthy)
		s.image = simCrash
		c.roll(web(s), specs.RevisionPaused)
		if old := c.images("shop_web")[simHealthy(1)]; old != 0 {
			t.Errorf("%d old tasks run", old)
		}
	})
}

func TestANewTaskWaitsAMinuteForAnOldOneThatNeverStops(t *testing.T) {
	scenario(t, 1, func(c *simCluster) {
		s := simService{image: simHealthy(1), replicas: 1, parallelism: 1}
		c.roll(web(s), specs.RevisionHealthy)
		old := c.tasks("shop_web")[0].ID
		c.excuse(old)
		c.nodes[0].engine.SetFault(func(op executortest.Op, _ string) executortest.Fault {
			if op == executortest.OpStop {
				return executortest.NotDone
			}
			return 0
		})
		s.image = simHealthy(2)
		c.push(web(s).files())
		time.Sleep(59 * time.Second)
		c.wantImages("shop_web", map[string]int{simHealthy(1): 1})
		time.Sleep(2 * time.Second)
		c.wantImages("shop_web", map[string]int{simHealthy(1): 1, simHealthy(2): 1})
		c.nodes[0].engine.SetFault(nil)
		time.Sleep(time.Minute)
		c.wantConverged()
	})
}

func TestWithoutANodeTasksWaitAndSayWhy(t *testing.T) {
	scenario(t, 1, func(c *simCluster) {
		c.nodes[0].stop()
		time.Sleep(time.Minute)
		if row, _ := c.snapshot().Node("n1"); row.Seen.Status != specs.NodeDown {
			t.Fatalf("a node without heartbeats is %s", row.Seen.Status)
		}
		p := c.push(web(simService{image: simHealthy(1), replicas: 1}).files())
		time.Sleep(time.Second)
		if why := c.tasks("shop_web")[0].Want.Reason; why != "no suitable node (1 node down)" {
			t.Errorf("the task waits because of %q", why)
		}
		c.nodes[0].start()
		if rev := c.settle(p); rev.Progress.State != specs.RevisionHealthy {
			t.Errorf("the revision is %s: %q", rev.Progress.State, rev.Progress.Reason)
		}
	})
}

func TestRoomThatIsFreedTakesWhatWaits(t *testing.T) {
	scenario(t, 1, func(c *simCluster) {
		large := simService{image: simHealthy(1), replicas: 1, memory: "5G"}
		tree := simTree{"shop": {"a": large}}
		c.roll(tree, specs.RevisionHealthy)
		tree["shop"]["b"] = large
		c.push(tree.files())
		time.Sleep(time.Minute)
		if why := c.tasks("shop_b")[0].Want.Reason; why != "no suitable node (insufficient memory on 1 node)" {
			t.Errorf("the task waits because of %q", why)
		}
		delete(tree["shop"], "a")
		c.roll(tree, specs.RevisionHealthy)
		c.wantImages("shop_b", map[string]int{simHealthy(1): 1})
	})
}

func TestARestartedManagerChangesNothing(t *testing.T) {
	scenario(t, 4, func(c *simCluster) {
		c.roll(web(simService{image: simHealthy(1), replicas: 9}), specs.RevisionHealthy)
		before, nodes := c.running(), c.nodeTimes()
		for range 3 {
			c.restartManager(time.Minute)
			time.Sleep(time.Minute)
			if diff := cmp.Diff(before, c.running()); diff != "" {
				t.Errorf("tasks before and after: %s", diff)
			}
		}
		if diff := cmp.Diff(nodes, c.nodeTimes()); diff != "" {
			t.Errorf("nodes were not ready all the time: %s", diff)
		}
	})
}

// nodeTimes is since when each node is what it is.
func (c *simCluster) nodeTimes() map[string]string {
	times := make(map[string]string)
	for node := range c.snapshot().Nodes() {
		times[node.ID] = fmt.Sprint(node.Seen.Status, node.Seen.Since)
	}
	return times
}

func TestALostNodesTasksAreReplacedAndEndWhenItIsBack(t *testing.T) {
	scenario(t, 2, func(c *simCluster) {
		c.roll(web(simService{image: simHealthy(1), replicas: 4}), specs.RevisionHealthy)
		c.excuse(slices.Collect(maps.Keys(c.nodes[1].running()))...)
		c.nodes[1].stop()
		time.Sleep(time.Minute)
		if got := c.perNode(); !slices.Equal(got, []int{4, 2}) {
			t.Errorf("tasks per node while one is lost: %v", got)
		}
		c.nodes[1].start()
		time.Sleep(time.Minute)
		if got := c.perNode(); !slices.Equal(got, []int{4, 0}) {
			t.Errorf("tasks per node after it came back: %v", got)
		}
		c.wantConverged()
	})
}

// Nothing stands in for the task of a global service on a lost node, so that goes
// on as if nothing had been. An update does not wait for it, and reaches it later.
func TestAGlobalTaskGoesOnOnceItsLostNodeIsBack(t *testing.T) {
	scenario(t, 2, func(c *simCluster) {
		agent := simService{image: simHealthy(1), global: true, parallelism: 1}
		c.roll(web(agent), specs.RevisionHealthy)
		before, rows := c.running(), len(c.tasks("shop_web"))
		out, in := c.links(c.nodes[1])
		lose := func() {
			c.network.cutLinks(append(out, in...)...)
			c.await("n2 is down", func(snap store.Snapshot) bool {
				row, _ := snap.Node("n2")
				return row.Seen.Status == specs.NodeDown
			})
			time.Sleep(10 * time.Minute)
		}
		back := func() {
			c.network.heal()
			c.awaitReady()
			c.rest()
			c.wantConverged()
		}
		lose()
		back()
		if diff := cmp.Diff(before, c.running()); diff != "" || len(c.tasks("shop_web")) != rows {
			t.Errorf("running before and after: %s, %d tasks are remembered, want %d", diff, len(c.tasks("shop_web")), rows)
		}
		lose()
		agent.image = simHealthy(2)
		c.roll(web(agent), specs.RevisionHealthy)
		c.wantImages("shop_web", map[string]int{simHealthy(1): 1, simHealthy(2): 1})
		back()
		c.wantImages("shop_web", map[string]int{simHealthy(2): 2})
	})
}

func TestRestartConditions(t *testing.T) {
	ends := map[string]executortest.Behaviour{
		"sim.example/done:1": executortest.Exits(time.Minute, 0), "sim.example/dead:1": executortest.Exits(time.Minute, 1),
	}
	for _, test := range []struct {
		condition, image string
		runsAgain        bool
	}{
		{"any", "sim.example/done:1", true}, {"any", "sim.example/dead:1", true},
		{"on-failure", "sim.example/done:1", false}, {"on-failure", "sim.example/dead:1", true},
		{"none", "sim.example/done:1", false}, {"none", "sim.example/dead:1", false},
	} {
		t.Run(test.condition+" "+test.image, func(t *testing.T) {
			scenario(t, 1, func(c *simCluster) {
				for image, b := range ends {
					c.image(image, b)
				}
				c.roll(web(simService{image: test.image, replicas: 1, condition: test.condition}), specs.RevisionHealthy)
				time.Sleep(80 * time.Second)
				if starts := len(c.nodes[0].engine.Starts()); starts > 1 != test.runsAgain {
					t.Errorf("%d starts", starts)
				}
			})
		})
	}
}

func TestAPushThatIsRefusedChangesNothing(t *testing.T) {
	scenario(t, 1, func(c *simCluster) {
		tree := web(simService{image: simHealthy(1), replicas: 1})
		c.roll(tree, specs.RevisionHealthy)
		before := c.running()
		files := tree.files()
		files["stacks/shop/stack.yml"].Data = append(files["stacks/shop/stack.yml"].Data, "  oops: {imgae: x}\n"...)
		if _, out, err := c.tryPush(files); err == nil || !strings.Contains(out, "stacks/shop/stack.yml:7:10") {
			t.Errorf("refused by %v:\n%s", err, out)
		}
		head := c.head
		c.head = "" // as somebody who has not fetched
		if _, _, err := c.tryPush(tree.files()); err == nil || !strings.Contains(err.Error(), "git fetch") {
			t.Errorf("a push over an old commit: %v", err)
		}
		c.head = head
		time.Sleep(time.Minute)
		if diff := cmp.Diff(before, c.running()); diff != "" {
			t.Errorf("tasks before and after: %s", diff)
		}
	})
}
