package planner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

// someStacks draws what a source may want. Reservations are small against the
// nodes unless tight: then services compete for the last room.
func someStacks(tight bool) *rapid.Generator[[]specs.Stack] {
	return rapid.Custom(func(t *rapid.T) []specs.Stack {
		var stacks []specs.Stack
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, "stacks") {
			var services []service
			for _, short := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"api", "db", "web"}), 0, 3, rapid.ID).Draw(t, "services of "+name) {
				services = append(services, svc(short, someOptions(t, name+"_"+short, tight)...))
			}
			stacks = append(stacks, stack(name, services...))
		}
		return stacks
	})
}

func someOptions(t *rapid.T, name string, tight bool) []option {
	draw := func(what string, n int) int { return rapid.IntRange(0, n-1).Draw(t, name+" "+what) }
	options := []option{
		image(fmt.Sprintf("%s:%d", name, draw("version", 3))),
		replicas(uint64(draw("replicas", 6))),
		parallelism(uint64(draw("parallelism", 4))),
		label("team", fmt.Sprint(draw("team", 2))),
		func(s *specs.ServiceSpec, _ *specs.TaskSpec) {
			s.Update.Delay = specs.Duration(draw("delay", 3)) * specs.Duration(time.Second)
		},
	}
	if zone := draw("zone", 6); zone < 3 {
		options = append(options, constraint("node.labels.zone == "+string(rune('a'+zone))))
	}
	if tight {
		options = append(options, memory(specs.Bytes(draw("memory", 4))<<30))
	}
	if draw("mode", 4) == 0 {
		options = append(options, global)
	}
	if draw("env", 2) == 1 {
		options = append(options, env(fmt.Sprintf("API_KEY=%d", draw("key", 3))))
	}
	return options
}

// someWorld is a cluster that settled on what it was asked.
func someWorld(t *rapid.T, tight bool) (*world, []specs.Stack) {
	w := newWorld(t, rapid.IntRange(1, 4).Draw(t, "nodes"))
	stacks := someStacks(tight).Draw(t, "present")
	w.push(stacks...)
	return w, stacks
}

// The same commit twice: the second changes nothing and does nothing.
func TestPlanOfThePresentIsNoChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, stacks := someWorld(t, true)
		p := w.plan(stacks...)
		if p.Verdict != NoChanges || !p.Totals.settledBesidesPending() {
			t.Fatalf("verdict %s: %+v", p.Verdict, p)
		}
	})
}

// After what was planned has happened, the same plan is NO CHANGES.
func TestPlanAfterApplyIsNoChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, _ := someWorld(t, true)
		next := someStacks(true).Draw(t, "next")
		w.push(next...)
		p := w.plan(next...)
		if p.Verdict != NoChanges || !p.Totals.settledBesidesPending() {
			t.Fatalf("verdict %s: %+v", p.Verdict, p)
		}
	})
}

// Order of stacks, services and warnings means nothing.
func TestOrderOfInputMeansNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, _ := someWorld(t, true)
		next := someStacks(true).Draw(t, "next")
		warnings := []specs.Problem{{Position: at(3), Message: "x"}, {Position: at(1), Message: "y"}, {Position: at(1), Message: "a"}}
		in := w.input(next...)
		in.Warnings = warnings
		first := Make(in)
		in.Warnings = rapid.Permutation(warnings).Draw(t, "warnings")
		in.Wanted = rapid.Permutation(next).Draw(t, "order")
		for i, s := range in.Wanted {
			in.Wanted[i].Services = rapid.Permutation(s.Services).Draw(t, "services of "+s.Name)
		}
		if diff := cmp.Diff(first, Make(in)); diff != "" {
			t.Fatalf("another order, another plan (-first +second):\n%s", diff)
		}
	})
}

// What starts, stops, restarts and stays pending does not depend on how fast
// and in which order the workers are, as long as services do not compete for
// the last room.
func TestCountsHoldUnderAnyTiming(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, _ := someWorld(t, false)
		checkPrediction(t, w, someStacks(false).Draw(t, "next"))
	})
}

// Nor on what is under way when the plan is made: half a rollout, lost nodes.
func TestCountsHoldAmidARollout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, _ := someWorld(t, false)
		tx, _ := Changes(w.snap, specs.MainSource, "rev", someStacks(false).Draw(t, "under way"), w.newID, w.now)
		w.happen(t, tx, rapid.IntRange(1, 20).Draw(t, "rounds"))
		for node := range w.snap.Nodes() {
			edit := rapid.SampledFrom([]func(*specs.Node){nil, nil, nil, down, drain, pause}).Draw(t, node.ID)
			if edit != nil {
				w.edit(node.ID, edit)
			}
		}
		checkPrediction(t, w, someStacks(false).Draw(t, "next"))
	})
}

func checkPrediction(t *rapid.T, w *world, next []specs.Stack) {
	in := w.input(next...)
	in.NewID = w.newID
	planned, tx := Propose(in)
	if happened := w.happen(t, tx, 10_000); happened != planned.Totals {
		t.Fatalf("planned %s, happened %s", planned.Totals, happened)
	}
}

// happen lets the transaction happen with workers that do any of what they could
// do next, after any time, and counts what came of it.
func (w *world) happen(t *rapid.T, tx specs.Transaction, rounds int) (counts Totals) {
	s := newSimulation(w.snap, w.now)
	s.newID = w.newID
	s.apply(tx)
	for s.decide(); rounds > 0 && s.workSomehow(t); s.decide() {
		rounds--
	}
	for _, svc := range s.end(w.snap, w.now).services {
		counts = counts.Add(svc.totals)
	}
	w.snap, w.now = s.snap, s.now
	return counts
}

// workSomehow is simulation.advance by chance.
func (s *simulation) workSomehow(t *rapid.T) bool {
	var able []specs.Task
	for task := range s.snap.Tasks() {
		node, _ := s.snap.Node(task.Want.Node)
		if _, _, ok := step(task, node); ok {
			able = append(able, task)
		}
	}
	s.agenda = agenda{latest: map[string]event{}}
	if len(able) == 0 {
		return s.advance()
	}
	s.now = s.now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
	some := rapid.IntRange(1, len(able)).Draw(t, "some")
	for _, task := range rapid.Permutation(able).Draw(t, "order")[:some] {
		report(s, task)
	}
	for id, wake := range s.wakes {
		if !wake.After(s.now) {
			s.dirty.Add(dirtyService(id))
			delete(s.wakes, id)
		}
	}
	return true
}

func report(s *simulation, task specs.Task) {
	node, _ := s.snap.Node(task.Want.Node)
	next, _, _ := step(task, node)
	task.Seen.State, task.Seen.Since = next, s.now
	if next == specs.StateRunning {
		task.Seen.Running = s.now
	}
	s.apply(specs.Transaction{{TaskSeen: specs.Set(task.ID, task.SeenVersion, task.Seen)}})
}

// Of a global service the plan says how many nodes shall have a task, and every
// one of them runs it or waits.
func TestAPlanOfGlobalServicesNamesTheirNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, _ := someWorld(t, true)
		for node := range w.snap.Nodes() {
			if rapid.IntRange(0, 3).Draw(t, node.ID+" is shut") == 0 {
				w.edit(node.ID, rapid.SampledFrom([]func(*specs.Node){down, drain, pause}).Draw(t, node.ID))
			}
		}
		p := w.plan(someStacks(true).Draw(t, "next")...)
		for _, e := range slices.Concat(p.Services, p.Moved) {
			if running := e.Totals.Start + e.Totals.Restart + e.Totals.Untouched; e.Global && e.Action != Remove && e.Wanted != uint64(running+e.Totals.Pending) {
				t.Fatalf("%s wants %d tasks: %s", e.Service, e.Wanted, e.Totals)
			}
			for _, w := range e.Pending {
				if e.Global != (len(w.Nodes) > 0) || e.Global == (len(w.Slots) > 0) {
					t.Fatalf("%s, global %t: slots %v and nodes %v wait", e.Service, e.Global, w.Slots, w.Nodes)
				}
			}
		}
	})
}

// Each service is in the plan once, and its counts add up to the totals.
func TestTotalsAreTheSumOfServices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, _ := someWorld(t, true)
		p := w.plan(someStacks(true).Draw(t, "next")...)
		var sum Totals
		var names []string
		for _, e := range slices.Concat(p.Services, p.Moved) {
			sum, names = sum.Add(e.Totals), append(names, e.Service)
		}
		sum.Untouched = p.Totals.Untouched // of services that the plan does not name
		if sum != p.Totals {
			t.Fatalf("services sum up to %s, the totals are %s", sum, p.Totals)
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != len(p.Services)+len(p.Moved) {
			t.Fatalf("a service is told twice: %v", names)
		}
	})
}
