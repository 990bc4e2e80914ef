package dispatcher_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func hashOf(s specs.TaskSpec) specs.Hash { return encoding.HashTaskSpec(s) }

func TestReport(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		m.write(m.newTask("t2", "web", "n2"))
		n := m.connect("n1")
		entries, _ := m.proposed()
		for _, step := range []struct {
			name   string
			report wire.TaskReport
			kind   wire.Kind // of the error, if one is wanted
			state  specs.State
			writes int
		}{
			{name: "first", report: is("t1", specs.StatePreparing), state: specs.StatePreparing, writes: 1},
			{name: "again", report: is("t1", specs.StatePreparing), state: specs.StatePreparing},
			{name: "on", report: is("t1", specs.StateRunning), state: specs.StateRunning, writes: 1},
			{name: "back", report: is("t1", specs.StateReady), state: specs.StateRunning},
			{name: "another node's", report: is("t2", specs.StateRunning), kind: wire.PermissionDenied, state: specs.StateRunning},
			{name: "forgotten", report: is("t9", specs.StateRunning), state: specs.StateRunning},
			{name: "end", report: is("t1", specs.StateFailed), state: specs.StateFailed, writes: 1},
			{name: "another end", report: is("t1", specs.StateComplete), state: specs.StateFailed},
		} {
			after(time.Second)
			err := n.report(step.report)
			if step.kind != 0 {
				wantKind(t, err, step.kind)
			} else if err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			now, _ := m.proposed()
			if got := m.seen("t1").State; got != step.state || now-entries != step.writes {
				t.Errorf("%s: %s after %d entries, want %s after %d", step.name, got, now-entries, step.state, step.writes)
			}
			entries = now
		}
	})
}

// A node's clock may be anywhere, and be set between two looks at it.
func TestTimesAreToldByTheClustersClock(t *testing.T) {
	for name, test := range map[string]struct {
		ahead, since time.Duration // of the node's clock, and then of when the task ran
		want         time.Duration // ago
	}{
		"the same clock":                {0, -3 * time.Second, 3 * time.Second},
		"ahead":                         {36 * time.Hour, -3 * time.Second, 3 * time.Second},
		"late":                          {-36 * time.Hour, -3 * time.Second, 3 * time.Second},
		"set ahead since it ran":        {36 * time.Hour, -36 * time.Hour, 10 * time.Second},
		"set back since it ran":         {-36 * time.Hour, 36 * time.Hour, 0},
		"that of a machine without one": {-50 * 365 * 24 * time.Hour, -3 * time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(m *manager) {
				m.service("web", "web:1")
				m.write(m.newTask("t1", "web", "n1"))
				after(10 * time.Second)
				n := m.connect("n1")
				there := time.Now().Add(test.ahead)
				seen := specs.TaskSeen{State: specs.StateRunning, Since: there.Add(test.since), Running: there.Add(test.since)}
				if err := n.reportAt(there, wire.TaskReport{TaskID: "t1", Seen: seen}); err != nil {
					t.Fatal(err)
				}
				got := m.seen("t1")
				if since, ran := time.Since(got.Since), time.Since(got.Running); since != test.want || ran != test.want {
					t.Errorf("since %s, running for %s, want %s", since, ran, test.want)
				}
			})
		})
	}
}

func TestProgressKeepsTheTimeOfItsState(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		n := m.connect("n1")
		first := is("t1", specs.StatePreparing)
		if err := n.report(first); err != nil {
			t.Fatal(err)
		}
		after(10 * time.Second)
		second := is("t1", specs.StatePreparing)
		second.Seen.Message = "pull 41%"
		if err := n.report(second); err != nil {
			t.Fatal(err)
		}
		if got := m.seen("t1"); got.Message != "pull 41%" || !got.Since.Equal(first.Seen.Since) {
			t.Errorf("got %+v", got)
		}
	})
}

func TestOneForgottenTaskRefusesNoOther(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		var reports []wire.TaskReport
		for i := range 10 {
			id := fmt.Sprint("t", i)
			m.write(m.newTask(id, "web", "n1"))
			reports = append(reports, is(id, specs.StateRunning))
		}
		n := m.connect("n1")
		m.write(m.forget("t3"))
		if err := n.report(reports...); err != nil {
			t.Fatal(err)
		}
		_, txs := m.proposed()
		if txs != 1+9 { // the node, its tasks
			t.Errorf("%d transactions", txs)
		}
	})
}

func TestReportsOfManyNodesGoTogether(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		const nodes = 200
		var connected []*node
		for i := range nodes {
			id := fmt.Sprint("node", i)
			m.write(specs.Change{Node: specs.Insert(id, specs.Node{ID: id})})
			m.write(m.newTask("t"+id, "web", id))
			connected = append(connected, m.connect(id))
		}
		before, _ := m.proposed()
		m.slow(5 * time.Millisecond)
		var all sync.WaitGroup
		for _, n := range connected {
			all.Go(func() {
				if err := n.report(is("t"+n.id, specs.StateRunning)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if entries, _ := m.proposed(); entries-before > 2 {
			t.Errorf("%d entries for %d reports that came at once", entries-before, nodes)
		}
	})
}

func TestReportIsAcknowledgedOnlyOnceWritten(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		n := m.connect("n1")

		m.failing(errors.New("no quorum"), false)
		wantKind(t, n.report(is("t1", specs.StateRunning)), wire.Unavailable)
		if got := m.seen("t1").State; got != specs.StateNew {
			t.Errorf("%s", got)
		}

		n = m.connect("n1") // the session has ended with the error
		m.failing(errors.New("outcome unknown"), true)
		wantKind(t, n.report(is("t1", specs.StateRunning)), wire.Unavailable)
		n = m.connect("n1")
		m.failing(nil, false)
		before, _ := m.proposed()
		if err := n.report(is("t1", specs.StateRunning)); err != nil {
			t.Errorf("sent again: %v", err)
		}
		if after, _ := m.proposed(); after != before {
			t.Error("what was written is written again")
		}
	})
}
