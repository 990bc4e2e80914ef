package planner

import (
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// restart asks for a restart of a service, as an operator does.
func (w *world) restart(name string) {
	w.Helper()
	svc, _ := w.snap.ServiceNamed(name)
	task, _ := w.snap.TaskSpec(svc.Spec.Task)
	task.Restarts++
	svc.Spec.Task = encoding.HashTaskSpec(task)
	w.settle(specs.Transaction{{TaskSpec: &task}, {Spec: specs.Set(svc.ID, svc.SpecVersion, specs.ServiceWant{Spec: svc.Spec})}})
}

// A restart is in no file: what is pushed after it neither undoes it nor shows it.
func TestAPushAfterARestart(t *testing.T) {
	w := newWorld(t, 2)
	shop := stack("shop", svc("web", replicas(3)), svc("api"))
	w.push(shop)
	w.restart("shop_web")
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
	if restarts := restartsOf(w.snap, "shop_web"); restarts != 1 {
		t.Errorf("after the push it has %d restarts", restarts)
	}
	if before := stack("shop", svc("web", replicas(3)), svc("api")); before.Services[1].Task != shop.Services[1].Task {
		t.Error("what is wanted was changed in place")
	}
}
