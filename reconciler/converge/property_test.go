package converge_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

// story drives a cluster with random edits and node troubles.
type story struct {
	*cluster
	t        *rapid.T
	replicas uint64
	image    int
}

func newStory(t *rapid.T, outer testing.TB) *story {
	nodes := rapid.IntRange(1, 4).Draw(t, "nodes")
	c := newCluster(outer)
	for i := range nodes {
		c.node(fmt.Sprintf("n%d", i+1), nil)
	}
	return &story{cluster: c, t: t}
}

// edit pushes a random change of the service.
func (s *story) edit(changes ...change) {
	s.replicas = rapid.Uint64Range(0, 8).Draw(s.t, "replicas")
	if rapid.Bool().Draw(s.t, "new image") {
		s.image++
	}
	s.push("web", fmt.Sprintf("v%d", s.image), s.replicas, changes...)
}

// trouble changes a random node.
func (s *story) trouble() {
	id := fmt.Sprintf("n%d", rapid.IntRange(1, 4).Draw(s.t, "node"))
	if _, known := s.store.Snapshot().Node(id); !known {
		return
	}
	s.node(id, func(spec *specs.NodeSpec, seen *specs.NodeSeen) {
		spec.Availability = rapid.SampledFrom([]specs.Availability{specs.Active, specs.Drain, specs.Pause}).Draw(s.t, "availability")
		seen.Status = rapid.SampledFrom([]specs.NodeStatus{specs.NodeReady, specs.NodeDown}).Draw(s.t, "status")
	})
}

// heal brings all nodes back.
func (s *story) heal() {
	for _, id := range everyNode {
		if _, known := s.store.Snapshot().Node(id); known {
			s.node(id, func(spec *specs.NodeSpec, seen *specs.NodeSeen) {
				spec.Availability, seen.Status = specs.Active, specs.NodeReady
			})
		}
	}
}

// step is one random step of loop, worker or clock.
func (s *story) step() {
	switch rapid.IntRange(0, 4).Draw(s.t, "step") {
	case 0, 1:
		s.pass()
	case 2, 3:
		s.work()
	case 4:
		s.now = s.now.Add(time.Duration(rapid.IntRange(1, 8000).Draw(s.t, "ms")) * time.Millisecond)
	}
}

func TestEverySlotConvergesUnderAHealthyWorker(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		for range rapid.IntRange(1, 5).Draw(rt, "edits") {
			s.edit(parallel(rapid.Uint64Range(0, 3).Draw(rt, "parallelism")))
			for range rapid.IntRange(0, 30).Draw(rt, "steps") {
				if rapid.IntRange(0, 9).Draw(rt, "luck") == 0 {
					s.trouble()
				}
				s.step()
			}
		}
		s.heal()
		s.live(3 * time.Minute)
		image := fmt.Sprintf("v%d", s.image)
		if got := s.running("web"); uint64(got[image]) != s.replicas || len(got) > 1 {
			rt.Fatalf("%v run, want %d of %s", got, s.replicas, image)
		}
		for _, task := range s.tasks("web") {
			if !task.Wanted() && task.Want.Desired == specs.StateRemove {
				rt.Fatalf("%s is still to be removed", task.Name())
			}
		}
		if r := s.service("web").Rollout; r.State != specs.RolloutCompleted || r.Target != s.service("web").Spec.Task {
			rt.Fatalf("the rollout is %+v", r)
		}
	})
}

func TestNoTasksBeyondWantedRunInASlot(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		s.check = func() {
			alive, wanted := map[specs.SlotID]int{}, map[specs.SlotID]int{}
			for _, task := range s.tasks("web") {
				if task.Seen.State >= specs.StateStarting && !task.Ended() {
					alive[task.SlotID()]++
				}
				if task.Wanted() {
					wanted[task.SlotID()]++
				}
			}
			for slot, n := range alive {
				if n > 1 {
					rt.Fatalf("%d tasks of slot %s run: %q", n, slot, s.ps("web"))
				}
			}
			for slot, n := range wanted {
				if n > 1 {
					rt.Fatalf("%d tasks of slot %s are wanted: %q", n, slot, s.ps("web"))
				}
			}
		}
		for range rapid.IntRange(1, 6).Draw(rt, "edits") {
			s.edit(parallel(rapid.Uint64Range(0, 3).Draw(rt, "parallelism")))
			for range rapid.IntRange(0, 40).Draw(rt, "steps") {
				s.step()
			}
		}
	})
}

func TestNeverMoreThanParallelismSlotsDown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		s.replicas = rapid.Uint64Range(1, 8).Draw(rt, "replicas")
		parallelism := rapid.Uint64Range(1, 4).Draw(rt, "parallelism")
		s.push("web", "v0", s.replicas, parallel(parallelism))
		s.live(10 * time.Second)
		s.check = func() {
			up := uint64(0)
			for _, n := range s.running("web") {
				up += uint64(n)
			}
			if up+parallelism < s.replicas {
				rt.Fatalf("%d of %d slots are down, parallelism is %d: %q", s.replicas-up, s.replicas, parallelism, s.ps("web"))
			}
		}
		for i := range rapid.IntRange(1, 4).Draw(rt, "edits") {
			s.push("web", fmt.Sprintf("v%d", i+1), s.replicas, parallel(parallelism))
			for range rapid.IntRange(0, 60).Draw(rt, "steps") {
				s.step()
			}
		}
	})
}

func TestAPassIsIdempotent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		images := []string{"v1", "missing", "crash", "brief", "crash@3s", "slow"}
		for range rapid.IntRange(1, 6).Draw(rt, "edits") {
			s.push("web", rapid.SampledFrom(images).Draw(rt, "image"), rapid.Uint64Range(0, 6).Draw(rt, "replicas"))
			for range rapid.IntRange(0, 30).Draw(rt, "steps") {
				if rapid.IntRange(0, 9).Draw(rt, "luck") == 0 {
					s.trouble()
				}
				s.step()
			}
			s.converge() // ends with a pass over everything that must decide nothing
		}
	})
}

func TestAFixConvergesWhateverCameBefore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		images := []string{"v1", "missing", "crash", "brief", "crash@3s", "slow"}
		for range rapid.IntRange(1, 4).Draw(rt, "edits") {
			s.push("web", rapid.SampledFrom(images).Draw(rt, "image"), rapid.Uint64Range(0, 6).Draw(rt, "replicas"))
			if rapid.IntRange(0, 5).Draw(rt, "luck") == 0 {
				s.remove("web")
			}
			for range rapid.IntRange(0, 30).Draw(rt, "steps") {
				if rapid.IntRange(0, 9).Draw(rt, "luck") == 0 {
					s.trouble()
				}
				s.step()
			}
		}
		s.heal()
		s.push("web", "fixed", 3)
		s.commit(1, specs.RevisionRollingOut, "shop")
		s.live(3 * time.Minute)
		if got := s.running("web"); got["fixed"] != 3 || len(got) > 1 {
			rt.Fatalf("%v run, want 3 fixed: %q", got, s.ps("web"))
		}
		s.wantRevisions("healthy")
		if due := s.agenda.Next(); !due.IsZero() {
			rt.Fatalf("at rest, but something is due in %s", due.Sub(s.now))
		}
	})
}

func TestARemovedServiceLeavesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		images := []string{"v1", "missing", "crash", "brief", "crash@3s", "slow"}
		for range rapid.IntRange(1, 3).Draw(rt, "edits") {
			s.push("web", rapid.SampledFrom(images).Draw(rt, "image"), rapid.Uint64Range(0, 6).Draw(rt, "replicas"))
			for range rapid.IntRange(0, 30).Draw(rt, "steps") {
				s.step()
			}
		}
		s.remove("web")
		s.settle()
		if rows := len(s.tasks("web")); rows > 0 {
			rt.Fatalf("%d tasks are left: %q", rows, s.ps("web"))
		}
		if _, left := s.store.Snapshot().ServiceNamed("web"); left {
			rt.Fatal("the service's row is left")
		}
	})
}
