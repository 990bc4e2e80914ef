package converge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

func TestScenario10AllSlotsReachTheNewSpec(t *testing.T) {
	for name, test := range map[string]struct {
		parallelism uint64
		most        int // tasks down at a time
	}{
		"one at a time": {1, 1},
		"two at a time": {2, 2},
		"all at once":   {0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1", "n2")
			c.push("web", "v1", 5, parallel(test.parallelism))
			c.live(10 * time.Second)
			most := 0
			c.check = func() { most = max(most, 5-c.running("web")["v1"]-c.running("web")["v2"]) }
			c.push("web", "v2", 5, parallel(test.parallelism))
			c.live(10 * time.Second)
			if got := c.running("web")["v2"]; got != 5 {
				t.Errorf("%d of 5 slots run the new spec: %q", got, c.ps("web"))
			}
			if most != test.most {
				t.Errorf("%d tasks were down at a time, want %d", most, test.most)
			}
			if r := c.service("web").Rollout; r.State != specs.RolloutCompleted || r.Completed != r.Target {
				t.Errorf("the rollout is %+v", r)
			}
		})
	}
}

func TestAFullNodeIsUpdatedSlotBySlot(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 2, reserve(4<<30))
	c.live(10 * time.Second)
	c.push("web", "v2", 2, reserve(4<<30))
	c.live(10 * time.Second)
	if got := c.running("web")["v2"]; got != 2 {
		t.Errorf("%d of 2 slots run the new spec: %q", got, c.ps("web"))
	}
}

func TestScenario12AFailurePausesTheRollout(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 3)
	c.live(10 * time.Second)
	c.push("web", "missing", 3)
	c.live(time.Minute)
	if got := c.running("web")["v1"]; got != 2 {
		t.Errorf("%d old tasks run, want 2: %q", got, c.ps("web"))
	}
	r := c.service("web").Rollout
	if want := "shop_web.1 rejected: missing: no such image"; r.State != specs.RolloutPaused || !strings.HasSuffix("shop_"+r.Message, want) {
		t.Errorf("the rollout is %s: %q, want paused: %q", r.State, r.Message, want)
	}

	c.push("web", "missing", 3, update(specs.UpdateConfig{FailureAction: specs.FailureContinue}))
	c.live(time.Minute)
	if got := c.running("web")["v1"]; got != 0 {
		t.Errorf("%d old tasks run, want none: %q", got, c.ps("web"))
	}

	c.push("web", "v2", 3)
	c.live(time.Minute)
	if got := c.running("web")["v2"]; got != 3 {
		t.Errorf("%d of 3 slots run the fix: %q", got, c.ps("web"))
	}
}

func TestAPausedRolloutScalesWithTheSpecThatWorked(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "v1", 3)
	c.live(10 * time.Second)
	c.push("web", "missing", 3)
	c.live(10 * time.Second)
	c.push("web", "missing", 5)
	c.live(10 * time.Second)
	if got := c.running("web")["v1"]; got != 4 {
		t.Errorf("%d tasks of the proven spec run, want 2 old and 2 new ones: %q", got, c.ps("web"))
	}
}

func TestTheFirstTasksOfAServiceArePausedTooWhenTheyFail(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "missing", 2)
	c.live(time.Second)
	if r := c.service("web").Rollout; r.State != specs.RolloutPaused || r.Message != "web.1 rejected: missing: no such image" {
		t.Errorf("the rollout is %s: %q", r.State, r.Message)
	}
}

func TestARolloutThatStandsStillIsPaused(t *testing.T) {
	for image, want := range map[string]string{
		"slow": "no progress for 10 minutes: web.1 preparing",
		"v2":   "no progress for 10 minutes: web.1 pending: no suitable node (insufficient memory on 1 node)",
	} {
		t.Run(image, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.push("web", "v1", 2)
			c.live(10 * time.Second)
			c.push("web", image, 2, func(_ *specs.ServiceSpec, task *specs.TaskSpec) {
				if image == "v2" {
					task.Reservations.Memory = 1 << 40
				}
			})
			c.live(9 * time.Minute)
			if got := c.service("web").Rollout.State; got != specs.RolloutUpdating {
				t.Fatalf("the rollout is %s after 9 minutes", got)
			}
			c.live(time.Minute)
			if r := c.service("web").Rollout; r.State != specs.RolloutPaused || r.Message != want {
				t.Errorf("the rollout is %s: %q, want %q", r.State, r.Message, want)
			}
		})
	}
}

func TestAnUpdateSupersedesTheOneUnderWay(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "stubborn", 2)
	c.live(10 * time.Second)
	c.push("web", "v2", 2)
	c.settle()
	c.want("web", "1 stubborn shutdown running", "1 v2 ready ready", "2 stubborn running running")
	c.push("web", "v3", 2)
	c.settle()
	// v2 never ran, but v3 must wait for the first task all the same.
	c.want("web", "1 stubborn shutdown running", "1 v2 shutdown shutdown", "1 v3 ready ready", "2 stubborn running running")
}

func TestScenario15AnOldTaskThatNeverStopsHoldsUpForAMinute(t *testing.T) {
	for name, test := range map[string]struct {
		grace *specs.Duration
		waits time.Duration
	}{
		"a minute":                         {nil, time.Minute},
		"longer if it was promised longer": {duration(2 * time.Minute), 2*time.Minute + 22*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.push("web", "stubborn", 1, func(_ *specs.ServiceSpec, task *specs.TaskSpec) { task.StopGrace = test.grace })
			c.live(10 * time.Second)
			c.push("web", "v2", 1)
			c.settle()
			c.want("web", "1 stubborn shutdown running", "1 v2 ready ready")
			c.now = c.now.Add(test.waits - time.Second)
			c.settle()
			c.want("web", "1 stubborn shutdown running", "1 v2 ready ready")
			c.now = c.now.Add(time.Second)
			c.settle()
			c.want("web", "1 stubborn shutdown running", "1 v2 running running")
		})
	}
}

// The time that a task was promised for its stop is no standstill, however long.
func TestARolloutIsNotPausedWhileATaskHasTimeToStop(t *testing.T) {
	for name, test := range map[string]struct {
		room change
		then specs.RolloutState // when the task has had its time, and does not stop
	}{
		"there is room beside it": {reserve(1 << 30), specs.RolloutUpdating},
		"it holds the room":       {reserve(3 << 30), specs.RolloutPaused},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.push("web", "stubborn", 2, test.room, func(_ *specs.ServiceSpec, task *specs.TaskSpec) {
				task.StopGrace = duration(time.Hour)
			})
			c.live(10 * time.Second)
			c.push("web", "v2", 2, test.room)
			c.live(time.Hour)
			if r := c.service("web").Rollout; r.State != specs.RolloutUpdating {
				t.Fatalf("the rollout is %s after an hour: %q", r.State, r.Message)
			}
			c.live(17 * time.Minute)
			if r := c.service("web").Rollout; r.State != test.then {
				t.Errorf("the rollout is %s after 77 minutes, want %s: %q", r.State, test.then, c.ps("web"))
			}
		})
	}
}

func TestATaskThatDoesItsWorkIsHealthy(t *testing.T) {
	c := newCluster(t, "n1")
	c.push("web", "brief", 1, restart(specs.RestartPolicy{Condition: specs.RestartOnFailure}))
	c.live(10 * time.Second)
	if got := c.service("web").Rollout.State; got != specs.RolloutCompleted {
		t.Errorf("the rollout is %s", got)
	}
}

func TestDelayBetweenSlots(t *testing.T) {
	c := newCluster(t, "n1")
	slowly := update(specs.UpdateConfig{Delay: specs.Duration(20 * time.Second)})
	c.push("web", "v1", 3, slowly)
	c.live(time.Minute)
	c.push("web", "v2", 3, slowly)
	for _, want := range []int{1, 2, 2, 3, 3} {
		c.live(10 * time.Second)
		if got := c.running("web")["v2"]; got != want {
			t.Fatalf("%s: %d slots run the new spec, want %d", c.now.Format(time.TimeOnly), got, want)
		}
	}
}

func TestAFailureAfterTheMonitorTimeIsNotTheRollouts(t *testing.T) {
	for image, want := range map[string]specs.RolloutState{
		"crash@4s":  specs.RolloutPaused,
		"crash@20s": specs.RolloutCompleted,
	} {
		t.Run(image, func(t *testing.T) {
			c := newCluster(t, "n1")
			c.push("web", image, 1)
			c.live(time.Minute)
			if r := c.service("web").Rollout; r.State != want {
				t.Errorf("the rollout is %s: %q, want %s", r.State, r.Message, want)
			}
		})
	}
}
