package planner

import (
	"cmp"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// restart asks for a restart of a service, as an operator does; image is what its tag
// means now, empty if nobody asks.
func (w *world) restart(name, image string) {
	w.Helper()
	svc, _ := w.snap.ServiceNamed(name)
	task, _ := w.snap.TaskSpec(svc.Spec.Task)
	task.Restarts++
	task.Image = cmp.Or(image, task.Image)
	svc.Spec.Task = encoding.HashTaskSpec(task)
	w.settle(specs.Transaction{{TaskSpec: &task}, {Spec: specs.Set(svc.ID, svc.SpecVersion, specs.ServiceWant{Spec: svc.Spec})}})
}

// A restart is in no file: what is pushed after it neither undoes it nor shows it.
func TestAPushAfterARestart(t *testing.T) {
	w := newWorld(t, 2)
	shop := stack("shop", svc("web", replicas(3)), svc("api"))
	w.push(shop)
	w.restart("shop_web", "")
	if p := w.plan(shop); p.Verdict != NoChanges || p.Totals.Restart != 0 {
		t.Errorf("the same again: %s, %+v", p.Verdict, p.Totals)
	}
	if p := w.plan(stack("shop", svc("web", replicas(4)), svc("api"))); p.Totals != (Totals{Start: 1, Untouched: 4}) {
		t.Errorf("one more task: %+v", p.Totals)
	}
	next := stack("shop", svc("web", replicas(3), image("web:2")), svc("api"))
	p := w.plan(next)
	if len(p.Services) != 1 || len(p.Services[0].Fields) != 1 || p.Services[0].Fields[0].Name != "image" || p.Totals.Restart != 3 {
		t.Errorf("a new image: %+v", p.Services)
	}
	w.push(next)
	now, _ := w.snap.ServiceNamed("shop_web")
	if task, _ := w.snap.TaskSpec(now.Spec.Task); task.Restarts != 1 || task.Image != "web:2" {
		t.Errorf("after the push it is %+v", task)
	}
	if before := stack("shop", svc("web", replicas(3)), svc("api")); before.Services[1].Task != shop.Services[1].Task {
		t.Error("what is wanted was changed in place")
	}
}

// What a restart pulled while a commit was read is not taken back by that commit.
func TestAPushThatWasReadBeforeARestart(t *testing.T) {
	tag := func(digest string) option {
		return func(s *specs.ServiceSpec, t *specs.TaskSpec) { s.Image, t.Image = "web:1", "web:1@"+digest }
	}
	w := newWorld(t, 1)
	read := stack("shop", svc("web", tag("sha256:old")))
	w.push(read)
	w.restart("shop_web", "web:1@sha256:new")
	if p := w.plan(read); p.Verdict != NoChanges {
		t.Errorf("it is planned as %s: %+v", p.Verdict, p.Services)
	}
	if tx, _ := Changes(w.snap, specs.MainSource, "2", []specs.Stack{read}, w.newID, w.now); len(tx) > 0 {
		t.Errorf("it changes %q", told(tx))
	}
}

// Whoever replaces what runs by another image is told that nothing would notice a
// broken one.
func TestAnImageThatNothingWatches(t *testing.T) {
	check := func(test string) option {
		return func(_ *specs.ServiceSpec, t *specs.TaskSpec) {
			t.Healthcheck = &specs.Healthcheck{Test: []string{test}}
		}
	}
	const words = "shop_web has no healthcheck: unless its image has one, a broken image is noticed only when it exits"
	for name, c := range map[string]struct {
		was, is []option
		warns   bool
	}{
		"another image":             {is: []option{image("web:2")}, warns: true},
		"with a healthcheck":        {is: []option{image("web:2"), check(specs.TestShell)}},
		"with one that is disabled": {is: []option{image("web:2"), check(specs.TestNone)}},
		"one is removed":            {was: []option{check(specs.TestShell)}, is: []option{image("web:2")}, warns: true},
		"another environment":       {is: []option{env("A=1")}},
		"nothing runs":              {was: []option{replicas(0)}, is: []option{image("web:2"), replicas(0)}},
	} {
		w := newWorld(t, 1)
		w.push(stack("shop", svc("web", c.was...)))
		p := w.plan(stack("shop", svc("web", c.is...)))
		if warned := len(p.Warnings) == 1 && p.Warnings[0].Message == words; warned != c.warns || len(p.Warnings) > 1 {
			t.Errorf("%s: %v", name, p.Warnings)
		}
	}
}
