package dispatcher_test

import (
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestAssignments(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.service("db", "db:1")
		m.write(m.newTask("t1", "web", "n1"))
		m.write(m.newTask("other", "web", "n2"))
		n := m.connect("n1")
		next := n.assignments()
		for _, step := range []struct {
			does []specs.Change
			want string
		}{
			{nil, "full: t1 running (1 specs)"},
			{[]specs.Change{m.newTask("t2", "web", "n1")}, " t2 running (0 specs)"},
			{[]specs.Change{m.newTask("t3", "db", "n1"), m.newTask("t4", "db", "n1")}, " t3 running t4 running (1 specs)"},
			{[]specs.Change{m.newTask("more", "web", "n2")}, ""},
		} {
			if step.does != nil {
				m.write(step.does...)
			}
			wantTold(t, next, step.want)
		}
		m.write(m.want("t3", specs.StateShutdown))
		wantTold(t, next, " t3 shutdown (0 specs)")
		m.write(m.forget("t3"), m.forget("t4"))
		wantTold(t, next, " -t3 -t4 (0 specs)")
		m.write(m.newTask("t5", "db", "n1"))
		wantTold(t, next, " t5 running (1 specs)") // both sides had dropped it
	})
}

func wantTold(t *testing.T, next func() (wire.Assignments, bool), want string) {
	t.Helper()
	defer after(time.Second)
	a, any := next()
	if got := told(a); any != (want != "") || any && got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestAssignmentSaysWhatTheNodeNeeds(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("shop_web", "web:1")
		m.write(m.newTask("t1", "shop_web", "n1"))
		n := m.connect("n1")
		if err := n.report(is("t1", specs.StateRunning)); err != nil {
			t.Fatal(err)
		}
		n.leave()
		a, _ := m.connect("n1").assignments()()
		task, _ := m.store.Snapshot().Task("t1")
		want := wire.Assignment{
			TaskID: "t1", ServiceID: "shop_web", ServiceName: "shop_web", Stack: "shop", Slot: 1,
			Spec: task.Spec, Desired: specs.StateRunning, State: specs.StateRunning,
		}
		if len(a.Set) != 1 || !reflect.DeepEqual(a.Set[0], want) || a.Specs[task.Spec].Image != "web:1" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestStatusAloneSendsNothing(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		n := m.connect("n1")
		next := n.assignments()
		wantTold(t, next, "full: t1 running (1 specs)")
		for _, state := range []specs.State{specs.StatePreparing, specs.StateRunning, specs.StateFailed} {
			if err := n.report(is("t1", state)); err != nil {
				t.Fatal(err)
			}
		}
		wantTold(t, next, "")
	})
}

func TestFirstChangeGoesAtOnceAndMoreGoTogether(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		next := m.connect("n1").assignments()
		wantTold(t, next, "full: (0 specs)")
		start := time.Now()
		var got []int
		for i := range 100 {
			m.write(m.newTask(fmt.Sprint("t", i), "web", "n1"))
			synctest.Wait() // as far as it goes without time
		}
		if a, any := next(); any {
			got = append(got, len(a.Set))
		}
		if time.Since(start) != 0 {
			t.Errorf("the first change took %s", time.Since(start))
		}
		after(10 * time.Millisecond)
		for a, any := next(); any; a, any = next() {
			got = append(got, len(a.Set))
		}
		if len(got) != 2 || got[0] != 1 || got[1] != 99 {
			t.Errorf("messages of %v tasks, want 1 and 99", got)
		}
	})
}

func TestChangesThatKeepComingGoTogether(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		next := m.connect("n1").assignments()
		wantTold(t, next, "full: (0 specs)")
		messages, tasks := 0, 0
		for i := range 1000 {
			m.write(m.newTask(fmt.Sprint("t", i), "web", "n1"))
			after(time.Millisecond)
			for a, any := next(); any; a, any = next() {
				messages, tasks = messages+1, tasks+len(a.Set)
			}
		}
		if messages > 12 || tasks < 800 {
			t.Errorf("%d messages of %d tasks within a second", messages, tasks)
		}
		after(time.Second)
		for _, any := next(); any; _, any = next() {
		}
		m.write(m.newTask("last", "web", "n1"))
		synctest.Wait()
		if a, any := next(); !any || told(a) != " last running (0 specs)" {
			t.Errorf("after a quiet second: %q", told(a))
		}
	})
}

func TestSlowNodeIsCutOffAndHoldsNobody(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		next := m.connect("n2").assignments()
		wantTold(t, next, "full: (0 specs)")

		slow := m.link("n1")
		if err := slow.Send(wire.NodeMessage{Open: &wire.Open{}}); err != nil {
			t.Fatal(err)
		}
		if _, err := slow.Receive(m.Context()); err != nil { // and nothing more
			t.Fatal(err)
		}
		big := specs.TaskSpec{Image: "big", Labels: map[string]string{}}
		for i := range 20 {
			big.Labels["filler"] = fmt.Sprint(i, string(make([]byte, 1<<20)))
			name := fmt.Sprint("big", i)
			spec := big
			spec.Labels = map[string]string{"filler": big.Labels["filler"]}
			m.write(specs.Change{TaskSpec: &spec}, specs.Change{Service: specs.Insert(name, specs.Service{
				ID: name, Spec: specs.ServiceSpec{Name: name, Task: hashOf(spec)},
			})})
			m.write(m.newTask("t"+name, name, "n1"))
		}
		m.write(m.newTask("t1", "web", "n2"))
		wantTold(t, next, " t1 running (1 specs)")
		after(wire.SendTimeout)
		if s, err := slow.Receive(m.Context()); err == nil {
			t.Errorf("the slow node still hears %+v", s)
		}
	})
}

// Of many nodes with a change a part is told at once, and no node waits for long;
// what a node gets meanwhile comes with the rest.
func TestACrowdOfNodesIsToldByAndBy(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(specs.Change{Cluster: &specs.Cluster{Spec: specs.ClusterSettings{HeartbeatPeriod: specs.Duration(time.Hour)}}})
		const nodes = 100
		var nexts []func() (wire.Assignments, bool)
		for i := range nodes {
			id := fmt.Sprint("w", i)
			m.write(specs.Change{Node: specs.Insert(id, specs.Node{ID: id, Created: time.Now()})})
			nexts = append(nexts, m.connect(id).assignments())
			wantTold(t, nexts[i], "full: (0 specs)")
		}
		messages, tasks := 0, 0
		look := func() {
			synctest.Wait()
			for _, next := range nexts {
				for a, any := next(); any; a, any = next() {
					messages, tasks = messages+1, tasks+len(a.Set)
				}
			}
		}
		for _, round := range []string{"a", "b", "c"} {
			var all []specs.Change
			for i := range nodes {
				all = append(all, m.newTask(fmt.Sprint(round, i), "web", fmt.Sprint("w", i)))
			}
			m.write(all...)
			look()
		}
		if messages == 0 || messages > nodes/2 {
			t.Errorf("%d of %d nodes were told at once", messages, nodes)
		}
		for range 200 {
			after(time.Millisecond)
			look()
		}
		if tasks != 3*nodes || messages > 2*nodes {
			t.Errorf("%d tasks in %d messages, want %d in %d at most", tasks, messages, 3*nodes, 2*nodes)
		}
	})
}
