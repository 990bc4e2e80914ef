package converge_test

import (
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// ahead is how far the clock of the next leader may be, because all managers were
// down or because it is wrong.
const ahead = 21 * time.Hour

func TestATaskHasItsTimeToStopUnderANewLeader(t *testing.T) {
	for name, test := range map[string]struct {
		grace specs.Duration
		heard time.Duration // after the term began
		waits time.Duration // since then
	}{
		"the node is there at once":      {specs.Duration(10 * time.Second), 0, time.Minute},
		"the node comes late":            {specs.Duration(10 * time.Second), 25 * time.Second, 85 * time.Second},
		"more was promised, and is kept": {specs.Duration(5 * time.Minute), 25 * time.Second, 365 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.push("web", "stubborn", 1, func(_ *specs.ServiceSpec, task *specs.TaskSpec) { task.StopGrace = &test.grace })
			c.live(10 * time.Second)
			c.push("web", "v2", 1)
			c.settle()
			c.lead(ahead)
			c.heard = func(string) time.Time {
				if at := c.began.Add(test.heard); !c.now.Before(at) {
					return at
				}
				return time.Time{}
			}
			c.live(test.waits - time.Second)
			c.want("web", "1 stubborn shutdown running", "1 v2 ready ready")
			c.live(time.Second)
			c.want("web", "1 stubborn shutdown running", "1 v2 running running")
		})
	}
}

func TestWhoIsNotHeardOfKeepsItsSuccessorsWaiting(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "stubborn", 1)
	c.live(10 * time.Second)
	c.node("n1", drain)
	c.settle()
	c.lead(ahead)
	heard := map[string]time.Time{"n2": c.began}
	c.heard = func(nodeID string) time.Time { return heard[nodeID] }
	c.live(5 * time.Minute)
	c.want("web", "1 stubborn shutdown running", "1 stubborn ready ready")
	c.node("n1", down)
	c.settle()
	c.want("web", "1 stubborn shutdown running", "1 stubborn running running")
}

func TestARolloutHasItsTimeUnderANewLeader(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "slow", 1)
	c.live(9 * time.Minute)
	c.lead(ahead)
	for after, want := range []specs.RolloutState{9: specs.RolloutUpdating, 10: specs.RolloutPaused} {
		if got := c.service("web").Rollout.State; want != "" && got != want {
			t.Errorf("after %d minutes: %s", after, got)
		}
		c.live(time.Minute)
	}
}

func TestARevisionHasItsTimeUnderANewLeader(t *testing.T) {
	c := withoutProgress(t)
	c.lead(ahead)
	c.live(9 * time.Minute)
	c.wantRevisions("rolling-out")
	c.live(time.Minute)
	c.wantRevisions(noProgress)
}

func TestNodesOfAnOutageHaveTheirTimeUnderANewLeader(t *testing.T) {
	c := newCluster(t, nodeNames(6)...)
	c.push("web", "v1", 6)
	c.live(10 * time.Second)
	before := c.ps("web")
	for _, id := range nodeNames(4) {
		c.node(id, down)
	}
	c.live(10 * time.Second)
	c.lead(ahead)
	c.live(58 * time.Second)
	c.node("n01", ready)
	c.settle()
	c.want("web", before...)
	c.live(2 * time.Second)
	if got := len(c.tasks("web")); got != 9 {
		t.Errorf("%d tasks, want three more: %q", got, c.ps("web"))
	}
}

func TestARestartIsNotDelayedByALeaderThatIsAhead(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "crash@2s", 1, func(s *specs.ServiceSpec, _ *specs.TaskSpec) {
		s.Restart = specs.RestartPolicy{Delay: duration(time.Hour), MaxAttempts: 2, Window: specs.Duration(24 * time.Hour)}
	})
	c.live(time.Minute)
	c.want("web", "1 crash@2s shutdown failed", "1 crash@2s ready ready")
	c.lead(ahead)
	c.live(3 * time.Second)
	c.want("web", "1 crash@2s shutdown failed", "1 crash@2s shutdown failed", "1 crash@2s ready ready")
	c.live(3 * time.Hour) // no attempt is forgotten
	c.want("web", "1 crash@2s shutdown failed", "1 crash@2s shutdown failed", "1 crash@2s shutdown failed")
}
