package planner

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

func TestPlan(t *testing.T) {
	web := func(options ...option) specs.Stack {
		return stack("shop", svc("web", append([]option{replicas(3)}, options...)...))
	}
	agent := func(options ...option) specs.Stack {
		return stack("shop", svc("agent", append([]option{global}, options...)...))
	}
	for _, c := range []struct {
		name    string
		present []specs.Stack
		wanted  []specs.Stack
		verdict Verdict
		totals  string
		service string // the first entry's headline and placement
	}{
		{"a first push", nil, []specs.Stack{web()}, Safe, "start 3   restart 0   stop 0   untouched 0",
			"new, 3 tasks | shop_web.1 on n1, shop_web.2 on n2, shop_web.3 on n3"},
		{"labels only", []specs.Stack{web()}, []specs.Stack{web(label("team", "core"))}, Safe,
			"start 0   restart 0   stop 0   untouched 3", "in place, no restart"},
		{"up", []specs.Stack{web()}, []specs.Stack{web(replicas(5))}, Safe, "start 2   restart 0   stop 0   untouched 3",
			"in place, no restart; starts 2 | shop_web.4 on n1, shop_web.5 on n2"},
		{"down", []specs.Stack{web()}, []specs.Stack{web(replicas(1))}, NeedsAttention, "start 0   restart 0   stop 2   untouched 1",
			"in place, no restart; stops 2"},
		{"to zero", []specs.Stack{web()}, []specs.Stack{web(replicas(0))}, NeedsAttention, "start 0   restart 0   stop 3   untouched 0",
			"in place, no restart; stops 3"},
		{"a new image", []specs.Stack{web()}, []specs.Stack{web(image("web:2"))}, NeedsAttention,
			"start 0   restart 3   stop 0   untouched 0",
			"rolling restart, 1 at a time, stop-first; estimated 9s | .1 | .2 | .3 on n1 | n2 | n3"},
		{"two at a time", []specs.Stack{web()}, []specs.Stack{web(image("web:2"), parallelism(2))}, NeedsAttention,
			"start 0   restart 3   stop 0   untouched 0",
			"rolling restart, 2 at a time, stop-first; estimated 6s | .1 .2 | .3 on n1 n2 | n3"},
		{"all at once", []specs.Stack{web()}, []specs.Stack{web(image("web:2"), parallelism(0))}, NeedsAttention,
			"start 0   restart 3   stop 0   untouched 0",
			"rolling restart, all at once, stop-first; estimated 3s | shop_web.1 on n1, shop_web.2 on n2, shop_web.3 on n3"},
		{"a new image of nothing that runs", []specs.Stack{web(replicas(0))}, []specs.Stack{web(replicas(1), image("web:2"))}, Safe,
			"start 1   restart 0   stop 0   untouched 0", "changed, nothing to restart; starts 1 | shop_web.1 on n1"},
		{"where nothing fits", []specs.Stack{web()}, []specs.Stack{web(constraint("node.labels.zone == mars"))}, NeedsAttention,
			"start 0   restart 0   stop 3   pending 3   untouched 0",
			"in place, no restart; stops 3 | pending: no suitable node (node.labels.zone==mars not met on 3 nodes)"},
		{"where some fit", []specs.Stack{web()}, []specs.Stack{web(constraint("node.labels.zone == b"))}, NeedsAttention,
			"start 0   restart 2   stop 0   untouched 1", "in place; restarts 2 | shop_web.1 on n2, shop_web.3 on n2"},
		{"too much memory", nil, []specs.Stack{web(memory(3<<30), replicas(5))}, NeedsAttention,
			"start 3   restart 0   stop 0   pending 2   untouched 0",
			"new, 5 tasks | shop_web.1 on n1, shop_web.2 on n2, shop_web.3 on n3 | pending .4 .5: no suitable node (insufficient memory on 3 nodes)"},
		{"a first global service", nil, []specs.Stack{agent()}, Safe, "start 3   restart 0   stop 0   untouched 0",
			"new, global, a task on 3 nodes | n1 n2 n3"},
		{"a global service in a zone", nil, []specs.Stack{agent(constraint("node.labels.zone == a"))}, Safe,
			"start 2   restart 0   stop 0   untouched 0", "new, global, a task on 2 nodes | n1 n3"},
		{"a global service that no node takes", nil, []specs.Stack{agent(constraint("node.labels.zone == mars"))}, Safe,
			"start 0   restart 0   stop 0   untouched 0", "new, global, no node takes a task now"},
		{"a global service that one node has no room for", []specs.Stack{stack("other", svc("db", memory(3<<30)))},
			[]specs.Stack{agent(memory(2 << 30)), stack("other", svc("db", memory(3<<30)))}, NeedsAttention,
			"start 2   restart 0   stop 0   pending 1   untouched 1",
			"new, global, a task on 3 nodes | n2 n3 | pending n1: no suitable node (insufficient memory on 1 node)"},
		{"a global service moves to a zone", []specs.Stack{agent()}, []specs.Stack{agent(constraint("node.labels.zone == b"))}, NeedsAttention,
			"start 0   restart 0   stop 2   untouched 1", "in place, no restart; stops 2"},
		{"a new image on each node", []specs.Stack{agent()}, []specs.Stack{agent(image("agent:2"))}, NeedsAttention,
			"start 0   restart 3   stop 0   untouched 0",
			"rolling restart, 1 at a time, stop-first; estimated 9s | n1 | n2 | n3"},
		{"a service becomes global", []specs.Stack{stack("shop", svc("agent", replicas(2)))}, []specs.Stack{agent()}, NeedsAttention,
			"start 3   restart 0   stop 2   untouched 0", "new tasks instead of the old: starts 3, stops 2 | n1 n2 n3"},
		{"gone", []specs.Stack{web()}, nil, NeedsAttention, "start 0   restart 0   stop 3   untouched 0", "removed with its 3 tasks"},
		{"renamed", []specs.Stack{web()}, []specs.Stack{stack("shop", svc("www", replicas(1), image("registry.example/web:1")))}, NeedsAttention,
			"start 1   restart 0   stop 3   untouched 0", "new, 1 task; renamed? it is what shop_web was | shop_www.1 on n1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 3)
			w.push(c.present...)
			p := w.plan(c.wanted...)
			if p.Verdict != c.verdict || p.Totals.String() != c.totals {
				t.Errorf("%s: %s, want %s: %s", p.Verdict, p.Totals, c.verdict, c.totals)
			}
			if diff := cmp.Diff(c.service, inShort(p.Services[0])); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// inShort is an entry's headline, its placement and what waits.
func inShort(e Entry) string {
	words := []string{e.headline()}
	if text := e.expected(); text != "" {
		words = append(words, text)
	}
	for _, w := range e.Pending {
		separator := ": "
		if w.size() != int(e.Wanted) {
			separator = " "
		}
		words = append(words, "pending"+separator+w.text(w.size() == int(e.Wanted)))
	}
	return strings.Join(words, " | ")
}

// edit changes the row of a node.
func (w *world) edit(node string, change func(*specs.Node)) {
	w.Helper()
	row, _ := w.snap.Node(node)
	status := row.Seen.Status
	if change(&row); row.Seen.Status != status {
		row.Seen.Since = w.now
	}
	w.apply(specs.Transaction{
		{NodeSpec: specs.Set(row.ID, row.SpecVersion, row.Spec)}, {NodeSeen: specs.Set(row.ID, row.SeenVersion, row.Seen)},
	})
}

func down(n *specs.Node)  { n.Seen.Status = specs.NodeDown }
func drain(n *specs.Node) { n.Spec.Availability = specs.Drain }
func pause(n *specs.Node) { n.Spec.Availability = specs.Pause }

// What is under way when the plan is made is part of what happens, and is told
// apart from what the plan does.
func TestWhatIsUnderWayIsTold(t *testing.T) {
	shop := stack("shop", svc("web", replicas(3)))
	for _, c := range []struct {
		name   string
		change func(*specs.Node)
		want   string
	}{
		{"a drained node", drain, "start 0   restart 1   stop 0   untouched 2"},
		{"a lost node", down, "start 0   restart 1   stop 0   untouched 2"},
		{"a paused node", pause, "start 0   restart 0   stop 0   untouched 3"},
	} {
		w := newWorld(t, 3)
		w.push(shop)
		w.edit(nodeID(2), c.change)
		p := w.plan(shop)
		if p.Verdict != NoChanges || p.Totals.String() != c.want {
			t.Errorf("%s: %s: %s, want %s", c.name, p.Verdict, p.Totals, c.want)
		}
		if moves := len(p.Moved) == 1 && p.Moved[0].Action == Same; moves == p.Totals.settled() {
			t.Errorf("%s: moved services: %+v", c.name, p.Moved)
		}
		if len(p.Services) > 0 {
			t.Errorf("%s: changed services: %+v", c.name, p.Services)
		}
	}
}

func TestWhatIsUnderWayWithGlobalServicesIsTold(t *testing.T) {
	shop := stack("shop", svc("agent", global))
	for _, c := range []struct {
		name   string
		change func(*specs.Node)
		want   string
	}{
		{"a drained node", drain, "start 0   restart 0   stop 1   untouched 2"},
		{"a lost node", down, "start 0   restart 0   stop 0   untouched 3"},
		{"a paused node", pause, "start 0   restart 0   stop 0   untouched 3"},
	} {
		w := newWorld(t, 3)
		w.push(shop)
		w.edit(nodeID(2), c.change)
		if p := w.plan(shop); p.Verdict != NoChanges || p.Totals.String() != c.want {
			t.Errorf("%s: %s: %s, want %s", c.name, p.Verdict, p.Totals, c.want)
		}
	}
}

// What a paused or lost node has is not replaced by an update, so no plan says so.
func TestAnUpdateLeavesANodeAloneThatTakesNoTasks(t *testing.T) {
	for name, change := range map[string]func(*specs.Node){"paused": pause, "lost": down} {
		w := newWorld(t, 3)
		w.push(stack("shop", svc("agent", global)))
		w.edit(nodeID(2), change)
		p := w.plan(stack("shop", svc("agent", global, image("agent:2"))))
		if want := (Totals{Restart: 2, Untouched: 1}); p.Totals != want || p.Services[0].Wanted != 3 {
			t.Errorf("%s: %s of %d, want %s of 3", name, p.Totals, p.Services[0].Wanted, want)
		}
	}
}

// A removal that gives another service its room says so.
func TestRemovalHelpsThoseThatWait(t *testing.T) {
	w := newWorld(t, 1)
	old, waits := svc("old", memory(3<<30)), svc("waits", memory(2<<30))
	w.push(stack("a", old))
	w.push(stack("a", old), stack("b", waits))
	p := w.plan(stack("a"), stack("b", waits))
	if p.Totals != (Totals{Start: 1, Stop: 1}) || len(p.Moved) != 1 || p.Moved[0].headline() != "unchanged; starts 1" {
		t.Errorf("%s, moved %+v", p.Totals, p.Moved)
	}
}

// A plan changes nothing of the snapshot that it is given.
func TestPlanLeavesThePresentAlone(t *testing.T) {
	w := newWorld(t, 2)
	w.push(stack("shop", svc("web", replicas(2))))
	before := w.snap.Digest()
	w.plan(stack("shop", svc("web", replicas(4), image("web:2"))), stack("base", svc("db")))
	if after := w.snap.Digest(); after != before {
		t.Errorf("digest %s before, %s after", before, after)
	}
}

// A number of replicas that nobody meant costs no more than the bound.
func TestAbsurdNumberOfReplicas(t *testing.T) {
	w := newWorld(t, 3)
	p := w.plan(stack("shop", svc("web", replicas(1<<62))))
	if p.Beyond < 1<<61 {
		t.Errorf("%s and %d beyond", p.Totals, p.Beyond)
	}
}

// Beyond its bound a simulation says how much is left.
func TestLargePlanIsCut(t *testing.T) {
	w := newWorld(t, 10)
	p := w.plan(stack("shop", svc("web", replicas(maxSteps))))
	if p.Totals.Start+p.Beyond != maxSteps || p.Beyond == 0 {
		t.Errorf("start %d and %d beyond, want %d together", p.Totals.Start, p.Beyond, maxSteps)
	}
	if text := render(t, p, TextOptions{}); !strings.Contains(text, fmt.Sprintf("then %d more in the same way", p.Beyond)) {
		t.Errorf("the text does not tell it:\n%s", text)
	}
}

func number(n uint64) specs.SlotID { return specs.SlotID{Number: n} }

func TestOrderOfEvents(t *testing.T) {
	a := agenda{latest: make(map[string]event)}
	second := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	for _, e := range []event{
		{at: second(2), service: "a", task: "1"}, {at: second(1), service: "b", slot: number(2), task: "2"},
		{at: second(1), service: "b", slot: number(1), task: "3"}, {at: second(1), service: "a", slot: number(9), task: "4"},
		{at: second(1), service: "a", slot: number(1), task: "5", next: specs.StateRunning},
	} {
		a.set(e)
	}
	a.set(event{at: second(3), service: "a", slot: number(1), task: "5", next: specs.StateShutdown}) // takes the place of its first
	a.cancel("3")
	var order []string
	for {
		e, ok := a.take(second(5))
		if !ok {
			break
		}
		order = append(order, e.task)
	}
	if diff := cmp.Diff([]string{"4", "2", "1", "5"}, order); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// BenchmarkPlan plans one changed service of a thousand, with 10,000 tasks.
func BenchmarkPlan(b *testing.B) {
	w := newWorld(b, 100)
	large := func(version string) []specs.Stack {
		var stacks []specs.Stack
		for i := range 100 {
			var services []service
			for j := range 10 {
				services = append(services, svc(fmt.Sprint("s", j), replicas(10)))
			}
			stacks = append(stacks, stack(fmt.Sprintf("st%02d", i), services...))
		}
		stacks[50].Services[0].Task = "" // replaced below
		changed := stack("st50", svc("s0", replicas(10), image(version)))
		stacks[50].Services[0] = changed.Services[0]
		for h, task := range changed.Tasks {
			stacks[50].Tasks[h] = task
		}
		return stacks
	}
	w.push(large("s0:1")...)
	in := w.input(large("s0:2")...)
	b.Run("1000 services, 1 changed", func(b *testing.B) {
		for b.Loop() {
			if p := Make(in); p.Totals != (Totals{Restart: 10, Untouched: 9990}) {
				b.Fatalf("%s", p.Totals)
			}
		}
	})
	same := w.input(large("s0:1")...)
	b.Run("1000 services, none changed", func(b *testing.B) {
		for b.Loop() {
			if p := Make(same); p.Verdict != NoChanges {
				b.Fatalf("%s", p.Verdict)
			}
		}
	})
	b.Run("10,000 new tasks", func(b *testing.B) {
		first := in
		first.Present = newWorld(b, 100).snap
		for b.Loop() {
			if p := Make(first); p.Totals.Start != 10_000 {
				b.Fatalf("%s", p.Totals)
			}
		}
	})
}
