package planner

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

const cause = "shop_web.1 rejected: web:nope: no such image"

// pausedWorld runs four tasks of web:1 but for the first slot: web:nope was
// rejected there, and the rollout is paused.
func pausedWorld(t *testing.T) *world {
	w := newWorld(t, 1)
	w.push(paused("web:1"))
	tx, _ := Changes(w.snap, specs.MainSource, "rev", []specs.Stack{paused("web:nope")}, w.newID, w.now)
	w.apply(tx)
	s := newSimulation(w.snap, w.now)
	s.newID = w.newID
	s.decide()
	for task := range s.snap.Tasks() { // the first is replaced
		if seen := task.Seen; !task.Wanted() {
			seen.State, seen.Since = specs.StateShutdown, s.now
			s.apply(specs.Transaction{{TaskSeen: specs.Set(task.ID, task.SeenVersion, seen)}})
		}
	}
	s.decide()
	for task := range s.snap.Tasks() {
		if seen := task.Seen; task.Wanted() && seen.State < specs.StateRunning {
			seen.State, seen.Since, seen.Err = specs.StateRejected, s.now, "web:nope: no such image"
			s.apply(specs.Transaction{{TaskSeen: specs.Set(task.ID, task.SeenVersion, seen)}})
		}
	}
	s.decide()
	w.snap, w.now = s.snap, s.now.Add(time.Minute)
	svc, _ := w.snap.ServiceNamed("shop_web")
	if svc.Rollout.State != specs.RolloutPaused || svc.Rollout.Message != cause {
		t.Fatalf("the rollout is %s: %q", svc.Rollout.State, svc.Rollout.Message)
	}
	return w
}

func paused(name string, options ...option) specs.Stack {
	return stack("shop", svc("web", append([]option{replicas(4), image(name)}, options...)...))
}

// A plan over a paused service names it and does not promise what failed.
func TestAPlanOverAPausedService(t *testing.T) {
	stays := []Standstill{{Service: "shop_web", Reason: cause, Wanted: 4, Running: 3, Old: 3}}
	db := stack("base", svc("db"))
	for name, test := range map[string]struct {
		wanted  []specs.Stack
		verdict Verdict
		totals  Totals
		paused  []Standstill
		resumes string
		head    string // of the service's entry
	}{
		"nothing changes":  {wanted: []specs.Stack{paused("web:nope")}, verdict: NoChanges, totals: Totals{Untouched: 3}, paused: stays},
		"something else":   {wanted: []specs.Stack{db, paused("web:nope")}, verdict: NeedsAttention, totals: Totals{Start: 1, Untouched: 3}, paused: stays},
		"a label":          {wanted: []specs.Stack{paused("web:nope", label("a", "b"))}, verdict: NeedsAttention, totals: Totals{Untouched: 3}, paused: stays, head: "in place, no restart"},
		"another image":    {wanted: []specs.Stack{paused("web:2")}, verdict: NeedsAttention, totals: Totals{Start: 1, Restart: 3}, resumes: cause, head: "resumes: rolling restart, 1 at a time, stop-first"},
		"the image before": {wanted: []specs.Stack{paused("web:1")}, verdict: NeedsAttention, totals: Totals{Start: 1, Untouched: 3}, resumes: cause, head: "resumes: starts 1, nothing to restart"},
		"other rules":      {wanted: []specs.Stack{paused("web:nope", parallelism(2))}, verdict: NeedsAttention, totals: Totals{Start: 1, Restart: 3}, resumes: cause, head: "resumes: starts 1, restarts 3"},
		"it goes":          {wanted: nil, verdict: NeedsAttention, totals: Totals{Stop: 3}, head: "removed with its 3 tasks"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pausedWorld(t).plan(test.wanted...)
			if p.Verdict != test.verdict || p.Totals != test.totals {
				t.Errorf("%s %s, want %s %s", p.Verdict, p.Totals, test.verdict, test.totals)
			}
			if diff := cmp.Diff(test.paused, p.Paused); diff != "" {
				t.Errorf("paused (-want +got):\n%s", diff)
			}
			e := p.entry("shop_web")
			if e.Resumes != test.resumes || !strings.HasPrefix(e.headlineOrNone(), test.head) {
				t.Errorf("%q resumes %q, want %q, %q", e.headlineOrNone(), e.Resumes, test.head, test.resumes)
			}
			if text := render(t, p, TextOptions{}); strings.Contains(text, "the cluster is what") {
				t.Errorf("the text is too good:\n%s", text)
			}
		})
	}
}

// A task that waits to be tried again is tried when the rollout goes on.
func TestAResumedServiceStartsWhatWaits(t *testing.T) {
	w := pausedWorld(t)
	s := newSimulation(w.snap, w.now)
	s.newID = w.newID
	s.run(nil) // as far as it comes
	w.snap = s.snap
	if p := w.plan(paused("web:nope")); p.Totals != (Totals{Untouched: 3}) || len(p.Paused) != 1 {
		t.Errorf("while it is paused: %s", p.Totals)
	}
	if p := w.plan(paused("web:nope", parallelism(2))); p.Totals != (Totals{Start: 1, Restart: 3}) || len(p.Paused) > 0 {
		t.Errorf("when it goes on: %s", p.Totals)
	}
}

func (p Plan) entry(service string) Entry {
	if i := slices.IndexFunc(p.Services, func(e Entry) bool { return e.Service == service }); i >= 0 {
		return p.Services[i]
	}
	return Entry{}
}

func (e Entry) headlineOrNone() string {
	if e.Service == "" {
		return ""
	}
	return e.headline()
}

// A key that is not built yet is told once, also beside a mistake.
func TestAPartialKeyIsToldOnce(t *testing.T) {
	partial := specs.Problem{Position: at(12), Message: "not built yet", Partial: true}
	mistake := specs.Problem{Position: at(14), Message: "unknown key"}
	for _, mistakes := range [][]specs.Problem{nil, {mistake}} {
		in := newWorld(t, 1).input(paused("web:1"))
		in.Mistakes, in.Warnings = mistakes, []specs.Problem{partial}
		if text := render(t, Make(in), TextOptions{}); strings.Count(text, "12:5: not built yet") != 1 || !strings.Contains(text, "x stacks/shop/stack.yml:12:5") {
			t.Errorf("with %d mistakes:\n%s", len(mistakes), text)
		}
		in.AcceptPartial = true
		if text := render(t, Make(in), TextOptions{}); !strings.Contains(text, "! stacks/shop/stack.yml:12:5") {
			t.Errorf("accepted, with %d mistakes:\n%s", len(mistakes), text)
		}
	}
}
