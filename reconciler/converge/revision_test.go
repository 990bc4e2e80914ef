package converge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

// commit adds revision number n of source main, as git does with the specs.
func (c *cluster) commit(n int, state specs.RevisionState, stacks ...string) {
	c.t.Helper()
	id := fmt.Sprintf("main/%04d", n)
	for _, name := range stacks {
		if _, known := c.store.Snapshot().Stack(name); !known {
			c.apply(specs.Transaction{{Stack: specs.Insert(name, specs.StackRow{Name: name, Source: specs.MainSource})}})
		}
	}
	c.apply(specs.Transaction{{Revision: specs.Insert(id, specs.Revision{
		ID: id, Source: specs.MainSource, Created: c.now, Changed: stacks,
		Progress: specs.RevisionProgress{State: state, Since: c.now},
	})}})
}

// revisions is the states of all revisions, oldest first, with their reasons.
func (c *cluster) revisions() []string {
	var states []string
	for rev := range c.store.Snapshot().Revisions() {
		state := string(rev.Progress.State)
		if rev.Progress.Reason != "" {
			state += ": " + rev.Progress.Reason
		}
		states = append(states, state)
	}
	return states
}

func (c *cluster) wantRevisions(states ...string) {
	c.t.Helper()
	if diff := cmp.Diff(states, c.revisions()); diff != "" {
		c.t.Fatalf("revisions (-want +got):\n%s", diff)
	}
}

func stack(name string) change {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Stack = name }
}

func monitor(d time.Duration) change {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Update.Monitor = (*specs.Duration)(&d) }
}

func TestARevisionIsHealthyAfterTheMonitorTime(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 2)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(4 * time.Second)
	c.wantRevisions("rolling-out")
	c.live(time.Second)
	c.wantRevisions("healthy")
}

func TestARevisionThatChangesNothingIsHealthyAtOnce(t *testing.T) {
	c := newCluster(t, "n1")
	c.commit(1, specs.RevisionRollingOut)
	c.settle()
	c.wantRevisions("healthy")
}

func TestARevisionWaitsForWhatItAdds(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1)
	c.live(time.Minute)
	c.push("web", "v1", 2)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(4 * time.Second)
	c.wantRevisions("rolling-out")
	c.live(time.Second)
	c.wantRevisions("healthy")
}

func TestARevisionWaitsForWhatItRemoves(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "stubborn", 1)
	c.live(time.Minute)
	c.remove("web")
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(time.Minute)
	c.wantRevisions("rolling-out")
	c.node("n1", down) // it says nothing any more, so nobody waits for it
	c.settle()
	c.wantRevisions("healthy")
}

func TestARevisionGivesWhatItRemovesItsTimeToStop(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "stubborn", 1, func(_ *specs.ServiceSpec, task *specs.TaskSpec) { task.StopGrace = duration(time.Hour) })
	c.live(time.Minute)
	c.remove("web")
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(76 * time.Minute) // the hour, its margins, and the patience
	c.wantRevisions("rolling-out")
	c.live(time.Minute)
	c.wantRevisions("paused: no progress for 10 minutes: web.1 is stopping")
}

// A neighbour that has stood still since before is no reason to stop watching
// what this revision rolls out.
func TestARevisionRollsOutBesideWhatIsPaused(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 2)
	c.push("bad", "missing", 1)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(time.Minute)
	c.wantRevisions("paused: bad.1 rejected: missing: no such image")
	c.push("web", "v2", 2)
	c.commit(2, specs.RevisionRollingOut, "shop")
	c.live(4 * time.Second)
	c.wantRevisions("paused: bad.1 rejected: missing: no such image", "rolling-out")
	c.live(time.Minute)
	c.wantRevisions("paused: bad.1 rejected: missing: no such image", "paused: bad stays paused: bad.1 rejected: missing: no such image")
}

func TestARevisionThatScalesAPausedServiceToZeroIsHealthy(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "missing", 2)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(time.Minute)
	c.push("web", "missing", 0)
	c.commit(2, specs.RevisionRollingOut, "shop")
	c.live(time.Minute)
	c.wantRevisions("paused: web.1 rejected: missing: no such image", "healthy")
}

func TestARevisionThatMakesRoomWaitsForWhatItLetsRun(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1, reserve(6<<30))
	c.live(time.Minute)
	c.push("late", "v1", 1, reserve(6<<30))
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(11 * time.Minute)
	paused := "paused: no progress for 10 minutes: late.1 pending: no suitable node (insufficient memory on 1 node)"
	c.wantRevisions(paused)
	c.push("web", "v1", 0, reserve(6<<30))
	c.commit(2, specs.RevisionRollingOut, "shop")
	c.live(2 * time.Second)
	c.wantRevisions(paused, "rolling-out")
	c.live(10 * time.Second)
	c.wantRevisions(paused, "healthy")
}

func TestARevisionIsPausedWithItsRollout(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "missing", 2)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(time.Second)
	c.wantRevisions("paused: web.1 rejected: missing: no such image")
}

// withoutProgress has a revision roll out for 9 minutes that cannot get further.
func withoutProgress(t *testing.T) *cluster {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1, place(specs.Placement{MaxReplicas: 1}))
	c.live(time.Minute)
	c.push("web", "v1", 2, place(specs.Placement{MaxReplicas: 1}))
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(9 * time.Minute)
	return c
}

const noProgress = "paused: no progress for 10 minutes: web.2 pending: " +
	"no suitable node (max replicas per node limit exceeded on 1 node)"

func TestARevisionWithoutProgressIsPaused(t *testing.T) {
	c := withoutProgress(t)
	c.wantRevisions("rolling-out")
	c.live(time.Minute)
	c.wantRevisions(noProgress)
}

func TestANewerRevisionSupersedesAndTakesOverWhatWasChanged(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1, stack("shop"))
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(3 * time.Second)
	c.push("db", "v1", 1, stack("base"))
	c.commit(2, specs.RevisionRollingOut, "base")
	c.push("web", "missing", 1, stack("shop"))
	c.settle()
	c.wantRevisions("superseded", "paused: web.1 rejected: missing: no such image")
}

func TestAnotherStacksPausedServiceIsNotForgotten(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "missing", 1, stack("shop"))
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(time.Second)
	c.push("db", "v1", 1, stack("base"))
	c.commit(2, specs.RevisionRollingOut, "base")
	c.live(3 * time.Second)
	c.wantRevisions("paused: web.1 rejected: missing: no such image", "rolling-out")
	c.live(10 * time.Second)
	stays := "paused: web stays paused: web.1 rejected: missing: no such image"
	c.wantRevisions("paused: web.1 rejected: missing: no such image", stays)
	c.commit(3, specs.RevisionRollingOut)
	c.settle()
	c.wantRevisions("paused: web.1 rejected: missing: no such image", stays, stays)
}

// A paused revision that nothing followed becomes healthy once its cause is gone.
func TestAPausedRevisionIsHealthyOnceAllIsMended(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "missing", 2)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(time.Minute)
	c.commit(2, specs.RevisionRollingOut)
	c.settle()
	paused := "paused: web.1 rejected: missing: no such image"
	stays := "paused: web stays paused: web.1 rejected: missing: no such image"
	c.wantRevisions(paused, stays)
	c.arrived = true
	c.live(time.Minute)
	c.wantRevisions(paused, "healthy")
	if r := c.service("web").Rollout; r.State != specs.RolloutCompleted {
		t.Errorf("the rollout is %s: %s", r.State, r.Message)
	}
}

// What was told to stop has to be gone, as after a removal.
func TestARevisionWaitsForWhatItScalesDown(t *testing.T) {
	for _, replicas := range []uint64{0, 1} {
		c := newCluster(t, "n1")
		c.push("web", "stubborn", 2)
		c.live(time.Minute)
		c.push("web", "stubborn", replicas)
		c.commit(1, specs.RevisionRollingOut, "shop")
		c.live(time.Minute)
		c.wantRevisions("rolling-out")
		c.live(10 * time.Minute)
		left := fmt.Sprintf("web.%d", replicas+1)
		c.wantRevisions("paused: no progress for 10 minutes: " + left + " is stopping")
		c.node("n1", down)
		c.settle()
		if replicas == 0 {
			c.wantRevisions("healthy")
		}
	}
}

// A task that was proven and ended since is no running task: the revision waits
// until all run at one time.
func TestARevisionIsHealthyOnlyWhileAllRun(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("loop", "crash@7s", 1)
	c.push("late", "v1", 3, monitor(12*time.Second))
	c.commit(1, specs.RevisionRollingOut, "shop")
	for range 200 {
		c.live(time.Second)
		if c.revisions()[0] == "healthy" {
			break
		}
	}
	c.wantRevisions("healthy")
	if c.running("loop")["crash@7s"] != 1 || c.running("late")["v1"] != 3 {
		t.Errorf("healthy while %v and %v run", c.running("loop"), c.running("late"))
	}
}

func TestARevisionLosesPatienceWithACrashLoop(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("loop", "v1", 1, monitor(time.Second))
	c.live(time.Minute)
	c.push("loop", "crash@10s", 1, monitor(time.Second))
	c.live(2 * time.Second)
	c.push("loop", "crash@10s", 1, monitor(time.Minute)) // longer than it ever runs
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(15 * time.Minute)
	if state := c.revisions()[0]; !strings.HasPrefix(state, "paused: no progress for 10 minutes: loop.1") {
		t.Errorf("the revision is %s", state)
	}
}

func TestWhatIsRefusedOrWaitsSupersedesNothing(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.commit(2, specs.RevisionRefused, "shop")
	c.commit(3, specs.RevisionAwaiting, "shop")
	c.live(10 * time.Second)
	c.wantRevisions("healthy", "refused", "awaiting-approval")
}

func TestALossAfterwardsLeavesTheRevisionHealthy(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1)
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(10 * time.Second)
	c.node("n1", down)
	c.live(20 * time.Minute)
	c.wantRevisions("healthy")
}
