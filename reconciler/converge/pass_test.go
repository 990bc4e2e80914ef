package converge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/specs"
)

func TestPassLeavesItsInputAlone(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 3, reserve(1<<30))
	snap, touched := c.feed.Take()
	c.follow(snap, touched)
	index, free := c.held.Index(), c.sched.Free("n1")
	if len(converge.Pass(c.input(converge.Dirty{All: true})).Transactions) == 0 {
		t.Fatal("nothing was decided")
	}
	for task := range c.held.Tasks() {
		t.Errorf("the snapshot got task %s", task.ID)
	}
	if c.held.Index() != index || c.sched.Free("n1") != free {
		t.Error("the snapshot or the scheduler's state moved")
	}
}

func TestLaterServicesSeeWhatEarlierOnesTook(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.apply(c.declare("a", "v1", 1, reserve(6<<30)), c.declare("b", "v1", 1, reserve(6<<30)), c.declare("c", "v1", 1, reserve(6<<30)))
	if !c.pass() {
		t.Fatal("nothing was decided")
	}
	c.want("a", "1 v1 running assigned")
	c.want("b", "1 v1 running assigned")
	c.want("c", "1 v1 running pending")
	if a, b := c.tasks("a")[0].Want.Node, c.tasks("b")[0].Want.Node; a == b {
		t.Errorf("both are on %s", a)
	}
}

// The IDs of new services are chance; a plan has other ones than the push.
func TestServicesTakeRoomInTheOrderOfTheirNames(t *testing.T) {
	c := newCluster(t, "n1")
	for i, name := range []string{"c", "a", "b"} {
		tx := c.declare(name, "v1", 1, reserve(6<<30))
		tx[1].Service.ID, tx[1].Service.Value.ID = fmt.Sprint(i), fmt.Sprint(i)
		c.apply(tx)
	}
	c.pass()
	for task := range c.store.Snapshot().Tasks() {
		if placed := task.Want.Node != ""; placed != (task.ServiceName == "a") {
			t.Errorf("%s is placed: %v", task.ServiceName, placed)
		}
	}
}

func TestLaterServicesSeeWhatIsRemoved(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.node("n2", drain)
	c.push("a", "v1", 2)
	c.live(10 * time.Second)
	c.node("n2", open)
	c.push("b", "v1", 1)
	c.live(10 * time.Second)
	c.remove("a")
	c.push("c", "v1", 1)
	c.pass()
	if b, c := c.tasks("b")[0].Want.Node, c.tasks("c")[0].Want.Node; b != "n2" || c != "n1" {
		t.Errorf("b is on %s and c on %s, want n1, where the tasks of a end", b, c)
	}
}

func TestATaskThatStopsMakesPlaceForItsSuccessor(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	one := place(specs.Placement{MaxReplicas: 1})
	c.push("web", "v1", 2, one)
	c.live(10 * time.Second)
	c.push("web", "v2", 2, one, parallel(1))
	c.pass()
	c.want("web", "1 v1 shutdown running", "1 v2 ready assigned", "2 v1 running running")
	c.live(10 * time.Second)
	if tasks := c.tasks("web"); tasks[1].Want.Node == tasks[3].Want.Node {
		t.Errorf("both new tasks are on %s", tasks[1].Want.Node)
	}
}

func TestTransactionsAreBounded(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1000)
	snap, touched := c.feed.Take()
	c.follow(snap, touched)
	txs := converge.Pass(c.input(converge.Dirty{All: true})).Transactions
	changes := 0
	for i, tx := range txs {
		if len(tx) > 260 {
			t.Errorf("transaction %d has %d changes", i, len(tx))
		}
		changes += len(tx)
	}
	if want := 1001; changes != want || len(txs) < 4 {
		t.Errorf("%d changes in %d transactions, want %d: the tasks and the rollout", changes, len(txs), want)
	}
}

func TestALongHistoryIsRemovedInSeveralTransactions(t *testing.T) {
	c := newCluster(t, "n1")
	c.apply(specs.Transaction{{Cluster: &specs.Cluster{Spec: specs.ClusterSettings{History: new(-1)}}}})
	c.push("web", "crash", 1)
	c.live(30 * time.Minute)
	c.remove("web")
	snap, touched := c.feed.Take()
	c.follow(snap, touched)
	before := len(c.tasks("web"))
	txs := converge.Pass(c.input(converge.Dirty{All: true})).Transactions
	changes := 0
	for i, tx := range txs {
		if len(tx) > 260 {
			t.Errorf("transaction %d has %d changes", i, len(tx))
		}
		changes += len(tx)
	}
	if changes < before || before < 300 {
		t.Errorf("%d changes for %d tasks", changes, before)
	}
	c.apply(txs...)
	c.settle()
	if left := c.tasks("web"); len(left) > 0 {
		t.Errorf("%d tasks are left", len(left))
	}
}

func TestAServiceTooLargeForOnePassGrowsOverSeveral(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 10_001)
	c.pass()
	if got := len(c.tasks("web")); got != 10_000 {
		t.Errorf("%d tasks after one pass", got)
	}
	c.pass()
	if got := len(c.tasks("web")); got != 10_001 {
		t.Errorf("%d tasks after two passes", got)
	}
}

func TestTasksOfASlotAreOrderedByTheirCreation(t *testing.T) {
	c := newCluster(t, "n1")
	for _, image := range []string{"v1", "v2", "v3"} { // time stands still
		c.push("web", image, 1)
		c.settle()
	}
	tasks := c.tasks("web")
	for i := range tasks[1:] {
		if !tasks[i].Created.Before(tasks[i+1].Created) {
			t.Errorf("%s was created at %s, its successor at %s", tasks[i].ID, tasks[i].Created, tasks[i+1].Created)
		}
	}
}

func TestAServiceThatComesBackIsANewRollout(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "stubborn", 1)
	c.live(10 * time.Second)
	c.remove("web")
	c.settle()
	removed := c.now
	c.now = c.now.Add(30 * time.Second)
	c.push("web", "stubborn", 1)
	c.settle()
	if got := c.service("web").Rollout; got.State != specs.RolloutUpdating || !got.Started.Equal(c.now) {
		t.Errorf("the rollout is %+v", got)
	}
	c.want("web", "1 stubborn remove running", "1 stubborn ready ready")
	c.now = removed.Add(time.Minute) // patience counts from when it was first told to stop
	c.settle()
	c.want("web", "1 stubborn remove running", "1 stubborn running running")
}

func TestPatienceCountsFromTheFirstRequestToStop(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "stubborn", 1)
	c.live(10 * time.Second)
	c.push("web", "v2", 1)
	c.settle()
	stopped := c.now
	c.now = c.now.Add(50 * time.Second)
	c.remove("web")
	c.settle()
	c.push("web", "v2", 1)
	c.settle()
	c.want("web", "1 stubborn remove running", "1 v2 ready ready")
	c.now = stopped.Add(time.Minute)
	c.settle()
	c.want("web", "1 stubborn remove running", "1 v2 running running")
}

func TestFailuresAreCountedThoughNoHistoryIsKept(t *testing.T) {
	c := newCluster(t, "n1")
	c.apply(specs.Transaction{{Cluster: &specs.Cluster{Spec: specs.ClusterSettings{History: new(0)}}}})
	rules := func(s *specs.ServiceSpec, _ *specs.TaskSpec) {
		s.Update.MaxFailureRatio = 600_000
		s.Restart.Delay = duration(time.Hour)
	}
	c.push("web", "v1", 2, rules)
	c.live(10 * time.Second)
	c.push("web", "crash", 2, rules)
	c.live(10 * time.Second)
	if r := c.service("web").Rollout; r.State != specs.RolloutPaused {
		t.Errorf("2 of 2 slots failed and the rollout is %s: %q", r.State, c.ps("web"))
	}
}

func TestADeadSlotIsNotForgottenThoughNoHistoryIsKept(t *testing.T) {
	c := newCluster(t, "n1")
	c.apply(specs.Transaction{{Cluster: &specs.Cluster{Spec: specs.ClusterSettings{History: new(0)}}}})
	c.push("web", "crash", 1, never)
	c.live(time.Minute)
	c.want("web", "1 crash shutdown failed")
}

func TestADelayLongerThanPatienceIsNoStandstill(t *testing.T) {
	c := newCluster(t, "n1")
	slowly := update(specs.UpdateConfig{Delay: specs.Duration(15 * time.Minute)})
	c.push("web", "v1", 2, slowly)
	c.live(time.Hour)
	c.push("web", "v2", 2, slowly)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(14 * time.Minute)
	c.wantRevisions("rolling-out")
	c.live(20 * time.Minute)
	c.wantRevisions("healthy")
	if got := c.running("web")["v2"]; got != 2 {
		t.Errorf("%d of 2 slots run the new spec", got)
	}
}

func TestAPausedNodeKeepsWhatItHas(t *testing.T) {
	c := newCluster(t)
	c.node("n1", func(spec *specs.NodeSpec, _ *specs.NodeSeen) { spec.Labels = map[string]string{"zone": "b"} })
	c.push("web", "v1", 1, place(specs.Placement{Constraints: []string{"node.labels.zone == b"}}))
	c.settle()
	c.node("n1", func(spec *specs.NodeSpec, _ *specs.NodeSeen) {
		spec.Labels, spec.Availability = nil, specs.Pause
	})
	c.settle()
	c.want("web", "1 v1 running running")
}
