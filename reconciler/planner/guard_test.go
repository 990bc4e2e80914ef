package planner

import (
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

func TestGuard(t *testing.T) {
	shop := stack("shop", svc("web", replicas(12)), svc("api", replicas(3)))
	base := stack("base", svc("db", replicas(4)))
	const allow = ": if that is meant, say so by -o allow-removal"
	for _, c := range []struct {
		name   string
		wanted []specs.Stack
		want   string
	}{
		{"nothing", []specs.Stack{shop, base}, ""},
		{"one small stack", []specs.Stack{shop}, ""},
		{"one large stack", []specs.Stack{base}, "this stops 15 of the 19 running tasks" + allow},
		{"one large service", []specs.Stack{base, stack("shop", svc("api", replicas(3)))}, "this stops 12 of the 19 running tasks" + allow},
		{"scaled far down", []specs.Stack{base, stack("shop", svc("web", replicas(1)), svc("api", replicas(3)))},
			"this stops 11 of the 19 running tasks" + allow},
		{"ten, and more than half", []specs.Stack{base, stack("shop", svc("web", replicas(2)), svc("api", replicas(3)))},
			"this stops 10 of the 19 running tasks" + allow},
		{"more than half, and fewer than ten", []specs.Stack{base, stack("shop", svc("web", replicas(3)), svc("api", replicas(3)))}, ""},
		{"every stack", nil, "this removes 2 whole stacks (19 running tasks)" + allow},
		{"every service", []specs.Stack{stack("shop"), stack("base")}, "this removes 2 whole stacks (19 running tasks)" + allow},
		{"restarts are no removal", []specs.Stack{base, stack("shop", svc("web", replicas(12), image("web:2")), svc("api", replicas(3)))}, ""},
	} {
		w := newWorld(t, 3)
		w.push(shop, base)
		in := w.input(c.wanted...)
		p := Make(in)
		got := ""
		if len(p.Refusals) > 0 {
			got = p.Refusals[0].Message
		}
		if got != c.want || (p.Verdict == Refused) != (c.want != "") {
			t.Errorf("%s: %s, %q, want %q", c.name, p.Verdict, got, c.want)
		}
		in.AllowRemoval = true
		if p := Make(in); p.Verdict == Refused {
			t.Errorf("%s: refused though it is allowed: %v", c.name, p.Refusals)
		}
	}
}

// Half of the tasks is not more than half.
func TestGuardAllowsHalf(t *testing.T) {
	w := newWorld(t, 3)
	w.push(stack("shop", svc("web", replicas(10)), svc("api", replicas(10))))
	if p := w.plan(stack("shop", svc("web", replicas(10)))); p.Verdict == Refused {
		t.Errorf("refused: %v", p.Refusals)
	}
	w.push(stack("shop", svc("web", replicas(10)), svc("api", replicas(11))))
	if p := w.plan(stack("shop", svc("web", replicas(10)))); p.Verdict != Refused {
		t.Errorf("11 of 21 tasks may go: %s", p.Verdict)
	}
}

// A constraint that no node meets stops a global service as a removal does.
func TestGuardCountsTheNodesOfAGlobalService(t *testing.T) {
	w := newWorld(t, 12)
	w.push(stack("shop", svc("agent", global)))
	for zone, want := range map[string]string{
		"mars": "this stops 12 of the 12 running tasks: if that is meant, say so by -o allow-removal",
		"a":    "",
	} {
		p := w.plan(stack("shop", svc("agent", global, constraint("node.labels.zone == "+zone))))
		got := ""
		if len(p.Refusals) > 0 {
			got = p.Refusals[0].Message
		}
		if got != want {
			t.Errorf("zone %s: %s, %q, want %q", zone, p.Verdict, got, want)
		}
	}
}

// The tasks of lost nodes wait for them: a push that leaves them alone stops none.
func TestGuardCountsNoTaskThatWaitsForItsNode(t *testing.T) {
	w := newWorld(t, 20)
	w.push(stack("shop", svc("agent", global)))
	for n := range 12 {
		w.edit(nodeID(n+1), down)
	}
	if p := w.plan(stack("shop", svc("agent", global, image("agent:2")))); p.Verdict == Refused || p.Totals != (Totals{Restart: 8, Untouched: 12}) {
		t.Errorf("an update: %s, %s, %v", p.Verdict, p.Totals, p.Refusals)
	}
	if p := w.plan(stack("shop")); p.Verdict != Refused {
		t.Errorf("the removal of all: %s", p.Verdict)
	}
}

// A stack that cannot be read is no stack that is gone.
func TestMistakesPlanNothing(t *testing.T) {
	w := newWorld(t, 1)
	w.push(stack("shop", svc("web")))
	in := w.input()
	in.Mistakes = []specs.Problem{{Position: at(1), Message: "no YAML"}}
	p, tx := Propose(in)
	if p.Verdict != Refused || !p.Invalid || len(tx)+len(p.Services) > 0 || p.Totals != (Totals{}) {
		t.Errorf("a plan was made: %+v, %v", p, told(tx))
	}
}

func TestPartial(t *testing.T) {
	w := newWorld(t, 1)
	in := w.input(stack("shop", svc("web")))
	in.Warnings = []specs.Problem{
		{Position: at(9), Message: "healthcheck is not built yet", Partial: true},
		{Position: at(4), Message: "ignored"},
	}
	p := Make(in)
	if p.Verdict != Refused || len(p.Refusals) != 2 || p.Refusals[0].Position != at(9) || len(p.Warnings) != 1 {
		t.Errorf("%s, refusals %v, warnings %v", p.Verdict, p.Refusals, p.Warnings)
	}
	in.AcceptPartial = true
	if p := Make(in); p.Verdict != NeedsAttention || len(p.Warnings) != 2 {
		t.Errorf("accepted: %s, warnings %v", p.Verdict, p.Warnings)
	}
}
