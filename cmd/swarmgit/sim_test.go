package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

// TestSimulatedCluster tells a random story of one manager for each seed.
// SIM_SEEDS says how many seeds, SIM_SEED the first one, SIM_LOG=1 shows the
// daemons' log:
//
//	SIM_SEED=17 SIM_SEEDS=1 go test ./cmd/swarmgit -run TestSimulatedCluster -v
func TestSimulatedCluster(t *testing.T) { simulate(t, 100, newSimStory) }

func simulate(t *testing.T, most int, story func(t *testing.T, seed uint64) *simStory) {
	first, seeds := simSetting(t, "SIM_SEED", 1), simSetting(t, "SIM_SEEDS", most)
	t.Logf("seeds %d to %d", first, first+seeds-1)
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { story(t, uint64(seed)).tell() })
		})
	}
}

func simSetting(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// simStory is pushes and troubles, one after the other.
type simStory struct {
	*simCluster
	draw     simDraw
	chapters int     // besides pushes that mend
	tree     simTree // healthy, as it was pushed last
}

func newSimStory(t *testing.T, seed uint64) *simStory {
	draw := newSimDraw(seed)
	return beginSimStory(newSimCluster(t, 1, draw.nodes()...), draw, 5)
}

func beginSimStory(c *simCluster, draw simDraw, chapters int) *simStory {
	for image, behaviour := range draw.images() {
		c.image(image, behaviour)
	}
	return &simStory{simCluster: c, draw: draw, chapters: chapters, tree: simTree{}}
}

func (s *simStory) tell() {
	for range s.chapters {
		s.chapter()
		s.wantInvariants()
		if s.Failed() {
			return
		}
	}
	s.wantConverged()
	if again := s.plan(s.tree.files()); again.Verdict != planner.NoChanges {
		s.Errorf("the same commit again is %s", again.Verdict)
	}
}

func (s *simStory) chapter() {
	if len(s.managers()) > 1 && s.draw.chance(60) {
		oneOf(s.draw, s.shaken, s.shaken, s.left, s.lost, s.ordered, s.appointed)()
		return
	}
	switch n := s.draw.IntN(100); {
	case n < 55:
		s.predicted()
	case n < 75:
		s.spoiled()
	case n < 85:
		s.overtaken()
	default:
		s.struck()
	}
}

// predicted pushes a healthy edit, lets troubles happen that must change
// nothing, and compares what happened with the plan.
func (s *simStory) predicted() {
	s.tree = s.draw.edit(s.tree)
	files := s.tree.files()
	plan, before, nodes := s.plan(files), s.running(), s.nodeTimes()
	p := s.push(files)
	for range s.draw.IntN(3) {
		time.Sleep(s.draw.upTo(8 * time.Second))
		s.trouble()
	}
	s.heal()
	s.wantEnded(s.settle(p))
	if happened := s.happened(before); happened != plan.Totals {
		s.Errorf("planned %s, happened %s", plan.Totals, happened)
	}
	s.wantReadySince(nodes)
	s.wantConverged()
	switch {
	case len(plan.Paused) > 0: // by a push before, and not mended by this one
		s.wantState(p, specs.RevisionPaused)
	case plan.Totals.Pending == 0:
		s.wantState(p, specs.RevisionHealthy)
	}
	if s.Failed() {
		s.show(plan)
	}
}

func (s *simStory) wantState(p simPush, state specs.RevisionState) {
	s.Helper()
	if rev := s.revision(p.commit); rev.Progress.State != state {
		s.Errorf("the revision is %s: %q, want %s", rev.Progress.State, rev.Progress.Reason, state)
	}
}

// unnoticed is how long a node may be silent without being taken for lost.
const unnoticed = 8 * time.Second

// trouble is what a node or a manager may have for some seconds without any
// effect on what runs.
func (s *simStory) trouble() {
	if len(s.managers()) > 1 && s.draw.chance(60) {
		s.managerTrouble(s.draw.upTo(unnoticed))
		s.wantInvariants()
		return
	}
	n := oneOf(s.draw, s.nodes...)
	switch s.draw.IntN(4) {
	case 0:
		s.restartManager(s.draw.upTo(3 * time.Second))
	case 1:
		n.stop()
		time.Sleep(s.draw.upTo(unnoticed))
		n.start()
	case 2:
		n.engine.SetDown(true)
		time.Sleep(s.draw.upTo(20 * time.Second))
		n.engine.SetDown(false)
	case 3:
		calls := 1 + s.draw.IntN(10)
		fault := oneOf(s.draw, executortest.NotDone, executortest.DoneButFailed)
		n.engine.SetFault(func(executortest.Op, string) executortest.Fault {
			if calls--; calls < 0 {
				return 0
			}
			return fault
		})
	}
	s.wantInvariants()
}

func (s *simStory) heal() {
	for _, n := range s.nodes {
		n.engine.SetFault(nil)
	}
}

// spoiled pushes something that cannot run, and mends it by another push.
func (s *simStory) spoiled() {
	bad, ok := s.draw.spoil(s.tree)
	if !ok {
		return
	}
	p := s.push(bad.files())
	if s.draw.chance(50) {
		s.wantEnded(s.settle(p))
		s.wantInvariants()
	}
	time.Sleep(s.draw.upTo(20 * time.Second))
	s.mend(p)
}

// overtaken pushes again before the rollout of the push before is over.
func (s *simStory) overtaken() {
	s.tree = s.draw.edit(s.tree)
	p := s.push(s.tree.files())
	time.Sleep(s.draw.upTo(10 * time.Second))
	s.tree = s.draw.edit(s.tree)
	s.mend(p)
}

// struck loses tasks, a node or its processes, and pushes nothing: every slot
// comes back by itself.
func (s *simStory) struck() {
	n := oneOf(s.draw, s.nodes...)
	ids := slices.Sorted(maps.Keys(n.running()))
	switch s.draw.IntN(4) {
	case 0: // some die
		for _, id := range ids {
			if s.draw.chance(50) {
				n.engine.Kill(id, specs.Exit{Code: 137})
			}
		}
	case 1: // some vanish
		for _, id := range ids {
			if s.draw.chance(50) {
				n.engine.Lose(id)
			}
		}
	case 2: // the machine reboots
		n.stop()
		n.engine.Reboot()
		time.Sleep(s.draw.upTo(10 * time.Second))
		n.start()
	case 3: // it is cut off, and its tasks run on
		s.excuse(ids...)
		n.stop()
		time.Sleep(s.draw.upTo(3 * time.Minute))
		n.start()
	}
	s.awaitReady()
	s.rest()
	s.wantConverged()
}

// mend pushes the healthy tree after another push, which must have ended then.
func (s *simStory) mend(after simPush) {
	p := s.push(s.tree.files())
	s.wantEnded(s.settle(p))
	s.wantEnded(s.revision(after.commit))
	s.wantConverged()
}

// show logs a plan and what became of it.
func (s *simStory) show(plan planner.Plan) {
	if err := plan.Text(s.Output(), planner.TextOptions{Width: 120}); err != nil {
		s.Error(err)
	}
	for svc := range s.snapshot().Services() {
		s.ps(svc)
	}
}
