package converge_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/specs"
)

var everyNode = []string{"n1", "n2", "n3", "n4", "n5"}

// globalEdit pushes a random change of the global service.
func (s *story) globalEdit(images ...string) {
	if len(images) == 0 {
		s.image++
		images = []string{fmt.Sprintf("v%d", s.image)}
	}
	where := rapid.SampledFrom([]specs.Placement{{}, {}, {Constraints: []string{"node.labels.zone == b"}}}).Draw(s.t, "placement")
	s.agent(rapid.SampledFrom(images).Draw(s.t, "image"), place(where), parallel(rapid.Uint64Range(0, 2).Draw(s.t, "parallelism")))
}

// nodeEdit has a random node join, change or leave.
func (s *story) nodeEdit() {
	id := rapid.SampledFrom(everyNode).Draw(s.t, "node")
	if _, known := s.store.Snapshot().Node(id); known && rapid.IntRange(0, 5).Draw(s.t, "leaves") == 0 {
		s.dismiss(id)
		return
	}
	s.node(id, rapid.SampledFrom([]func(*specs.NodeSpec, *specs.NodeSeen){
		down, down, ready, pause, drain, open, zone("a"), zone("b"),
	}).Draw(s.t, "change"))
}

// troubled lets the cluster live with edits of service and nodes.
func (s *story) troubled(images ...string) {
	for range rapid.IntRange(1, 5).Draw(s.t, "edits") {
		s.globalEdit(images...)
		for range rapid.IntRange(0, 30).Draw(s.t, "steps") {
			if rapid.IntRange(0, 4).Draw(s.t, "luck") == 0 {
				s.nodeEdit()
			}
			s.step()
		}
	}
}

// wantedNodes are the nodes with a wanted task of the global service.
func (s *story) wantedNodes() map[string]int {
	count := make(map[string]int)
	for _, task := range s.tasks("agent") {
		if task.Wanted() {
			count[task.SlotNode]++
		}
	}
	return count
}

func TestNeverMoreThanOneWantedTaskOfAGlobalServiceOnANode(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		s.check = func() {
			for node, n := range s.wantedNodes() {
				if n > 1 {
					rt.Fatalf("%d tasks are wanted on %s: %q", n, node, s.ps("agent"))
				}
			}
			for _, task := range s.tasks("agent") {
				if task.Want.Node != "" && task.Want.Node != task.SlotNode {
					rt.Fatalf("%s is on %s", task.Name(), task.Want.Node)
				}
			}
		}
		s.troubled("v1", "v2", "missing", "crash", "brief", "crash@3s", "slow")
	})
}

func TestAGlobalServiceEndsUpOnExactlyTheNodesThatTakeIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		s.troubled()
		for _, id := range everyNode { // whatever is down is back, paused or not
			if _, known := s.store.Snapshot().Node(id); known {
				s.node(id, ready)
			}
		}
		s.live(3 * time.Minute)
		svc := s.service("agent")
		want := map[string]int{}
		for node := range s.store.Snapshot().Nodes() {
			inZone := len(svc.Spec.Placement.Constraints) == 0 || node.Spec.Labels["zone"] == "b"
			if node.CanTakeTasks() && inZone {
				want[node.ID] = 1
			}
		}
		got := s.wantedNodes()
		kept := maps.Clone(got)
		maps.DeleteFunc(got, func(id string, _ int) bool { // a paused node may have one
			node, known := s.store.Snapshot().Node(id)
			return known && node.Spec.Availability == specs.Pause
		})
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("wanted tasks by node (-want +got):\n%s%q", diff, s.ps("agent"))
		}
		if n := converge.Wanted(s.store.Snapshot(), svc); n != uint64(len(kept)) {
			rt.Fatalf("Wanted says %d, there are %d: %q", n, len(kept), s.ps("agent"))
		}
		image := fmt.Sprintf("v%d", s.image)
		for _, task := range s.tasks("agent") {
			spec, _ := s.store.Snapshot().TaskSpec(task.Spec)
			if want[task.SlotNode] == 1 && task.Wanted() && (task.Seen.State != specs.StateRunning || spec.Image != image) {
				rt.Fatalf("%s does not run %s: %q", task.Name(), image, s.ps("agent"))
			}
		}
		if r := svc.Rollout; r.State != specs.RolloutCompleted {
			rt.Fatalf("the rollout is %s since %s: %q", r.State, r.Started, s.ps("agent"))
		}
	})
}

func TestNeverMoreThanParallelismNodesWithoutTheirTask(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCluster(t, everyNode...)
		s := &story{cluster: c, t: rt}
		parallelism := rapid.Uint64Range(1, 3).Draw(rt, "parallelism")
		s.agent("v0", parallel(parallelism))
		s.live(10 * time.Second)
		s.check = func() {
			up := uint64(0)
			for _, n := range s.running("agent") {
				up += uint64(n)
			}
			if up+parallelism < uint64(len(everyNode)) {
				rt.Fatalf("%d of %d nodes run it, parallelism is %d: %q", up, len(everyNode), parallelism, s.ps("agent"))
			}
		}
		for i := range rapid.IntRange(1, 4).Draw(rt, "edits") {
			s.agent(fmt.Sprintf("v%d", i+1), parallel(parallelism))
			for range rapid.IntRange(0, 60).Draw(rt, "steps") {
				s.step()
			}
		}
	})
}

func TestAPausedNodeGetsNothingNew(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		had := map[string][]string{} // by paused node: its tasks when it was paused
		s.check = func() {
			for _, id := range everyNode {
				node, _ := s.store.Snapshot().Node(id)
				if node.Spec.Availability != specs.Pause {
					delete(had, id)
					continue
				}
				first := had[id] == nil
				for task := range s.store.Snapshot().TasksOn(id) {
					if first {
						had[id] = append(had[id], task.ID)
					} else if !slices.Contains(had[id], task.ID) {
						rt.Fatalf("%s got %s", id, task.Name())
					}
				}
				had[id] = append(had[id], "")
			}
		}
		s.push("web", "v1", 4)
		s.troubled("v1", "v2", "crash@3s")
	})
}

func TestAGlobalTaskFollowsTheLabelsOfItsNode(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		s.agent("v1", inZone("b"), parallel(0))
		for range rapid.IntRange(1, 10).Draw(rt, "changes") {
			id := rapid.SampledFrom(everyNode).Draw(rt, "node")
			value := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "zone")
			s.node(id, zone(value))
			s.settle()
			if got := s.wantedNodes()[id] == 1; got != (value == "b") {
				rt.Fatalf("%s is in zone %s: %q", id, value, s.ps("agent"))
			}
		}
	})
}

func TestAPassOverAGlobalServiceIsIdempotent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, t)
		for range rapid.IntRange(1, 3).Draw(rt, "rounds") {
			s.troubled("v1", "missing", "crash", "brief", "crash@3s", "slow")
			s.converge() // ends with a pass over everything that must decide nothing
		}
		s.remove("agent")
		s.heal()
		s.settle()
		for _, task := range s.tasks("agent") {
			rt.Fatalf("%s is left: %q", task.Name(), s.ps("agent"))
		}
	})
}
