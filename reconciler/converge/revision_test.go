package converge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

// commit adds revision number n of source main, as git does with the specs.
func (c *cluster) commit(n int, state specs.RevisionState, stacks ...string) {
	c.t.Helper()
	id := fmt.Sprintf("main/%04d", n)
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
	c.wantRevisions("paused: bad.1 rejected: missing: no such image", "paused: bad.1 rejected: missing: no such image")
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

func TestARevisionWithoutProgressIsPaused(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 1, place(specs.Placement{MaxReplicas: 1}))
	c.live(time.Minute)
	c.push("web", "v1", 2, place(specs.Placement{MaxReplicas: 1}))
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.live(9 * time.Minute)
	c.wantRevisions("rolling-out")
	c.live(time.Minute)
	c.wantRevisions("paused: no progress for 10 minutes: web.2 pending: " +
		"no suitable node (max replicas per node limit exceeded on 1 node)")
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

func TestAnotherStacksOldTroubleIsNotARevisionsOwn(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "missing", 1, stack("shop"))
	c.commit(1, specs.RevisionRollingOut, "shop")
	c.settle()
	c.push("db", "v1", 1, stack("base"))
	c.commit(2, specs.RevisionRollingOut, "base")
	c.live(10 * time.Second)
	c.wantRevisions("paused: web.1 rejected: missing: no such image", "healthy")
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
