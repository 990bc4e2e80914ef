package dispatcher_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestSession(t *testing.T) {
	bubble(t, func(m *manager) {
		if m.Heard("n1") {
			t.Error("heard of a node that said nothing")
		}
		n := m.connect("n1")
		if n.session.SessionID == "" || n.session.Heartbeat != specs.Duration(5*time.Second) {
			t.Errorf("got %+v", n.session)
		}
		row, _ := m.store.Snapshot().Node("n1")
		if row.Seen.Status != specs.NodeReady || row.Seen.Description.Hostname != "n1" || !m.Heard("n1") {
			t.Errorf("the node is %+v", row.Seen)
		}
	})
}

func TestSessionIsRefused(t *testing.T) {
	bubble(t, func(m *manager) {
		_, err := m.tryConnect("stranger")
		wantKind(t, err, wire.NotFound)

		n := &node{manager: m, client: m.dial("n1")}
		defer n.client.Close()
		n.session.SessionID = "nonsense"
		wantKind(t, n.beat(), wire.InvalidArgument)
		wantKind(t, n.report(), wire.InvalidArgument)

		m.endTerm()
		_, err = m.tryConnect("n1")
		wantKind(t, err, wire.NotLeader)
		wantKind(t, n.beat(), wire.NotLeader)
	})
}

func TestSessionsOfANodeAreRateLimited(t *testing.T) {
	bubble(t, func(m *manager) {
		for range 3 {
			m.connect("n1").leave()
		}
		_, err := m.tryConnect("n1")
		wantKind(t, err, wire.Unavailable)
		m.connect("n2") // another node's own count
		after(8 * time.Second)
		m.connect("n1")
	})
}

func TestSecondSessionReplacesTheFirst(t *testing.T) {
	bubble(t, func(m *manager) {
		first := m.connect("n1")
		second := m.connect("n1")
		wantKind(t, <-first.ended, wire.Unavailable)
		wantKind(t, first.beat(), wire.InvalidArgument)
		if err := second.beat(); err != nil {
			t.Errorf("the second session: %v", err)
		}
	})
}

func TestNodeIsDownAfterThreeBeats(t *testing.T) {
	bubble(t, func(m *manager) {
		n := m.connect("n1")
		for range 5 {
			after(14 * time.Second)
			if err := n.beat(); err != nil {
				t.Fatal(err)
			}
		}
		after(15*time.Second - 1)
		if got := m.status("n1"); got != specs.NodeReady {
			t.Errorf("%s before its deadline", got)
		}
		after(1)
		if got := m.status("n1"); got != specs.NodeDown {
			t.Errorf("%s after its deadline", got)
		}
		wantKind(t, <-n.ended, wire.Unavailable)
		m.connect("n1")
		if got := m.status("n1"); got != specs.NodeReady {
			t.Errorf("%s when it is back", got)
		}
	})
}

func TestLostConnectionIsForgivenWithinTheGrace(t *testing.T) {
	bubble(t, func(m *manager) {
		m.connect("n1").leave()
		after(14 * time.Second)
		m.connect("n1")
		after(14 * time.Second)
		if got := m.status("n1"); got != specs.NodeReady {
			t.Errorf("the node is %s", got)
		}
	})
}

func TestNewLeaderWaitsTwiceAsLong(t *testing.T) {
	bubble(t, func(m *manager) {
		n := m.connect("n1")
		m.endTerm()
		wantKind(t, <-n.ended, wire.NotLeader)
		after(time.Hour) // nobody leads, nobody judges
		m.lead()
		after(30*time.Second - 1)
		if got := m.status("n1"); got != specs.NodeReady || m.Heard("n1") {
			t.Errorf("%s, heard: %v", got, m.Heard("n1"))
		}
		after(1)
		if got := m.status("n1"); got != specs.NodeDown {
			t.Errorf("%s after the long grace", got)
		}
		if got := m.status("n2"); got != "" {
			t.Errorf("a node that never came is %s", got)
		}
	})
}

func TestDownIsWrittenOnceItCanBe(t *testing.T) {
	bubble(t, func(m *manager) {
		m.connect("n1").leave()
		m.connect("n2").leave()
		m.failing(wire.Errorf(wire.NotLeader, "no quorum"), false)
		after(time.Minute)
		if got := m.status("n1"); got != specs.NodeReady {
			t.Errorf("%s although nothing can be written", got)
		}
		m.failing(nil, false)
		after(time.Second)
		if m.status("n1") != specs.NodeDown || m.status("n2") != specs.NodeDown {
			t.Errorf("the nodes are %s and %s", m.status("n1"), m.status("n2"))
		}
	})
}

func TestTasksOfAGoneNodeAreGivenUp(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		m.write(m.newTask("t2", "web", "n1"))
		m.write(m.newTask("t3", "web", "nowhere"))
		n := m.connect("n1")
		if err := n.report(is("t1", specs.StateRunning), is("t2", specs.StateFailed)); err != nil {
			t.Fatal(err)
		}
		after(15 * time.Second) // down
		after(24*time.Hour - time.Minute)
		if got := m.seen("t1").State; got != specs.StateRunning {
			t.Errorf("%s before a day is over", got)
		}
		after(2 * time.Minute)
		if got := m.seen("t1"); got.State != specs.StateOrphaned || got.Err == "" {
			t.Errorf("after a day: %+v", got)
		}
		if got := m.seen("t2").State; got != specs.StateFailed {
			t.Errorf("an ended task became %s", got)
		}
		if got := m.seen("t3").State; got != specs.StateOrphaned {
			t.Errorf("the task of a node that was removed is %s", got)
		}
	})
}

func TestRemovedNodeLosesItsSessionAndItsTasksAtOnce(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		n := m.connect("n1")
		row, _ := m.store.Snapshot().Node("n1")
		m.write(specs.Change{Node: specs.Remove[specs.Node]("n1", row.SpecVersion)})
		synctest.Wait()
		wantKind(t, <-n.ended, wire.NotFound)
		if got := m.seen("t1").State; got != specs.StateOrphaned {
			t.Errorf("its task is %s", got)
		}
		_, err := m.tryConnect("n1")
		wantKind(t, err, wire.NotFound)
	})
}
