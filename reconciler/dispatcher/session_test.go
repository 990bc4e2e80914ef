package dispatcher_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestSession(t *testing.T) {
	bubble(t, func(m *manager) {
		if !m.Heard("n1").IsZero() {
			t.Error("heard of a node that said nothing")
		}
		n := m.connect("n1")
		if n.session.SessionID == "" || n.session.Heartbeat != specs.Duration(5*time.Second) {
			t.Errorf("got %+v", n.session)
		}
		row, _ := m.store.Snapshot().Node("n1")
		if row.Seen.Status != specs.NodeReady || row.Seen.Description.Hostname != "n1" || m.Heard("n1").IsZero() {
			t.Errorf("the node is %+v", row.Seen)
		}
	})
}

func TestSessionIsRefused(t *testing.T) {
	bubble(t, func(m *manager) {
		_, err := m.tryConnect("stranger")
		wantKind(t, err, wire.NotFound)

		rash := m.link("n1")
		if err := rash.Send(wire.NodeMessage{Heartbeat: &wire.Heartbeat{}}); err != nil {
			t.Error(err)
		}
		_, err = rash.Receive(m.Context())
		wantKind(t, err, wire.InvalidArgument)

		start := time.Now()
		_, err = m.link("n1").Receive(m.Context()) // which says nothing
		wantKind(t, err, wire.DeadlineExceeded)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("after %s", took)
		}

		m.endTerm()
		_, err = m.tryConnect("n1")
		wantKind(t, err, wire.NotLeader)
	})
}

// A manager that was frozen takes itself for the leader when it wakes up. What it
// knows of a node's tasks is what they were before.
func TestADeposedLeaderOpensNoSession(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "nginx")
		m.write(m.newTask("web.1", "web", "n1"))
		n := m.connect("n1")

		m.mu.Lock()
		m.deposed = errors.New("another manager leads")
		m.mu.Unlock()
		again, err := m.tryConnect("n1")
		wantKind(t, err, wire.NotLeader)
		if tasks, any := again.assignments()(); any {
			t.Errorf("the node is told %s", told(tasks))
		}
		if err := n.beat(); err != nil {
			t.Errorf("the session before has ended: %v", err)
		}
	})
}

func TestSecondSessionReplacesTheFirst(t *testing.T) {
	bubble(t, func(m *manager) {
		first := m.connect("n1")
		second := m.connect("n1")
		wantKind(t, <-first.ended, wire.Unavailable)
		wantKind(t, first.beat(), wire.Unavailable)
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
		if got := m.status("n1"); got != specs.NodeReady || !m.Heard("n1").IsZero() {
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

// A node that only was slow comes back at once when its session ends: while its
// being down is on its way into the store, which still has it as ready.
func TestNodeThatComesBackWhileItIsWrittenDown(t *testing.T) {
	bubble(t, func(m *manager) {
		n := m.connect("n1")
		m.slow(time.Second)
		after(15 * time.Second)
		wantKind(t, <-n.ended, wire.Unavailable)
		n = m.connect("n1")
		after(2 * time.Second)
		if n.beat() != nil {
			m.connect("n1") // as a node does whose session has ended
		}
		if got := m.status("n1"); got != specs.NodeReady {
			t.Errorf("the node is connected, and %s", got)
		}
	})
}

// A node that was down returns, and is gone for good before it is written that it
// is ready, which takes longer than its grace.
func TestNodeThatIsReadyTooLateIsDownAgain(t *testing.T) {
	bubble(t, func(m *manager) {
		m.connect("n1").leave()
		after(15 * time.Second)
		m.slow(20 * time.Second)
		n, err := m.tryConnect("n1")
		if err == nil {
			n.leave()
		}
		if got := m.status("n1"); got != specs.NodeReady {
			t.Fatalf("the node is %s", got)
		}
		after(5 * time.Minute)
		if got := m.status("n1"); got != specs.NodeDown {
			t.Errorf("a node that is gone is %s", got)
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

func TestTasksAreGivenUpWhenTheOperatorSays(t *testing.T) {
	bubble(t, func(m *manager) {
		cluster := m.store.Snapshot().Cluster()
		cluster.Spec.OrphanAfter = specs.Duration(time.Hour)
		m.write(specs.Change{Cluster: &cluster})
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		if err := m.connect("n1").report(is("t1", specs.StateRunning)); err != nil {
			t.Fatal(err)
		}
		after(15 * time.Second) // down
		after(time.Hour + 2*time.Minute)
		if got := m.seen("t1").State; got != specs.StateOrphaned {
			t.Errorf("its task is %s", got)
		}
	})
}

// A leader whose clock is ahead waits itself before it gives up what may still run.
func TestANewLeaderGivesUpNothingAtOnce(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		if err := m.connect("n1").report(is("t1", specs.StateRunning)); err != nil {
			t.Fatal(err)
		}
		after(15 * time.Second) // down
		m.endTerm()
		after(25 * time.Hour)
		m.lead()
		after(59 * time.Minute)
		if got := m.seen("t1").State; got != specs.StateRunning {
			t.Errorf("its task is %s before the leader has waited", got)
		}
		after(2 * time.Minute)
		if got := m.seen("t1").State; got != specs.StateOrphaned {
			t.Errorf("its task is %s", got)
		}
	})
}

// Since when a node is heard of does not change while it comes and goes.
func TestHeardSince(t *testing.T) {
	bubble(t, func(m *manager) {
		after(time.Second)
		first := time.Now()
		n := m.connect("n1")
		n.leave()
		after(3 * time.Second)
		if got := m.Heard("n1"); !got.Equal(first) {
			t.Errorf("after a lost connection: %s, want %s", got, first)
		}
		n = m.connect("n1")
		after(3 * time.Second)
		if got := m.Heard("n1"); !got.Equal(first) {
			t.Errorf("in the next session: %s, want %s", got, first)
		}
		n.leave()
		after(time.Minute)
		if got := m.Heard("n1"); !got.IsZero() {
			t.Errorf("when it is down: %s", got)
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

// setSpec changes what the operator wants of a node.
func (m *manager) setSpec(id string, edit func(*specs.NodeSpec)) {
	m.Helper()
	row, _ := m.store.Snapshot().Node(id)
	edit(&row.Spec)
	m.write(specs.Change{NodeSpec: specs.Set(id, row.SpecVersion, row.Spec)})
}

func TestSessionTellsWhatChanges(t *testing.T) {
	bubble(t, func(m *manager) {
		n, other := m.connect("n1"), m.connect("n2")
		at := func(leader string) []wire.Manager {
			return []wire.Manager{{NodeID: "m1", Addr: "a:1", Leader: leader == "m1"}, {NodeID: "m2", Addr: "b:1", Leader: leader == "m2"}}
		}
		first, _ := n.hears()
		_, _ = other.hears()
		want := wire.Place{SessionID: first.SessionID, Heartbeat: specs.Duration(5 * time.Second)}
		for _, step := range []struct {
			does      func()
			changes   func(*wire.Place) // nil: n1 hears nothing
			otherToo  bool
			otherOnly bool
		}{
			{does: func() { m.others.set(at("m1")) }, changes: func(w *wire.Place) { w.Managers = at("m1") }, otherToo: true},
			{does: func() { m.others.set(at("m1")) }},
			{does: func() { m.setSpec("n1", func(s *specs.NodeSpec) { s.Role = specs.Manager }) },
				changes: func(w *wire.Place) { w.Role = specs.Manager }},
			{does: func() { m.setSpec("n1", func(s *specs.NodeSpec) { s.Availability = specs.Drain }) }},
			{does: func() { m.setSpec("n2", func(s *specs.NodeSpec) { s.Role = specs.Manager }) }, otherOnly: true},
			{does: func() { m.renew.set("digest") }, changes: func(w *wire.Place) { w.Renew = "digest" }},
			{does: func() { m.renew.set("") }, changes: func(w *wire.Place) { w.Renew = "" }},
		} {
			step.does()
			if step.changes != nil {
				step.changes(&want)
			}
			got, told := n.hears()
			if told != (step.changes != nil) || told && !cmp.Equal(got, want) {
				t.Errorf("told: %v %s", told, cmp.Diff(want, got))
			}
			if _, told := other.hears(); told != (step.otherToo || step.otherOnly) {
				t.Errorf("the other node was told: %v", told)
			}
		}
	})
}

func TestManagerThatDoesNotLeadNamesTheLeader(t *testing.T) {
	bubble(t, func(m *manager) {
		m.endTerm()
		for _, tc := range []struct {
			managers []wire.Manager
			words    string
		}{
			{nil, "knows of none that does"},
			{[]wire.Manager{{NodeID: "m1", Addr: "10.0.0.1:2377"}, {NodeID: "m2", Addr: "10.0.0.2:2377", Leader: true}}, "the one at 10.0.0.2:2377 does"},
		} {
			m.others.set(tc.managers)
			n, err := m.tryConnect("n1")
			wantKind(t, err, wire.NotLeader)
			if msg, _ := n.hears(); !strings.Contains(err.Error(), tc.words) || !cmp.Equal(msg, wire.Place{Managers: tc.managers}) {
				t.Errorf("says %v after %+v", err, msg)
			}
			wantKind(t, n.beat(), wire.NotLeader)
		}
	})
}

func TestANodeWaitsForTheElection(t *testing.T) {
	bubble(t, func(m *manager) {
		m.endTerm()
		for _, tc := range []struct{ elected, told time.Duration }{{time.Second, time.Second}, {time.Minute, 2 * time.Second}} {
			m.others.set([]wire.Manager{{NodeID: "m2", Addr: "b:1"}})
			elected := time.AfterFunc(tc.elected, func() { m.others.set([]wire.Manager{{NodeID: "m2", Addr: "b:1", Leader: true}}) })
			start := time.Now()
			_, err := m.tryConnect("n1")
			wantKind(t, err, wire.NotLeader)
			if took := time.Since(start); took != tc.told {
				t.Errorf("told after %s: %v", took, err)
			}
			elected.Stop()
		}
	})
}

// TestNobodyUsesAnothersSession tries every procedure with the ID of another
// node's session.
func TestNobodyUsesAnothersSession(t *testing.T) {
	bubble(t, func(m *manager) {
		m.service("web", "web:1")
		m.write(m.newTask("t1", "web", "n1"))
		victim, thief := m.connect("n1"), m.connect("n2")
		thief.session.SessionID = victim.session.SessionID
		wantKind(t, thief.report(is("t1", specs.StateFailed)), wire.PermissionDenied)
		wantKind(t, thief.refusedContent("t1", "v1"), wire.PermissionDenied)
		wantKind(t, thief.publish("request", line("mine")), wire.PermissionDenied)
		if got := m.seen("t1").State; got != specs.StateNew {
			t.Errorf("the task is %s", got)
		}
		if err := victim.beat(); err != nil {
			t.Errorf("the node's own session: %v", err)
		}

		nobody := &node{manager: m, client: wire.NewClient(m.calls.Dial), session: victim.session}
		defer nobody.client.Close()
		wantKind(t, nobody.refusedContent("t1", "v1"), wire.PermissionDenied)
		conn, err := m.sessions.Dial(m.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = wire.NewNodeEnd(conn).Receive(m.Context())
		wantKind(t, err, wire.Unauthenticated)
	})
}

func TestHeartbeatPeriodIsTheClusters(t *testing.T) {
	bubble(t, func(m *manager) {
		period := func(d time.Duration) {
			row := m.store.Snapshot().Cluster()
			row.Spec.HeartbeatPeriod = specs.Duration(d)
			m.write(specs.Change{Cluster: &row})
		}
		period(time.Minute)
		n := m.connect("n1")
		if n.session.Heartbeat != specs.Duration(time.Minute) {
			t.Errorf("told %s", n.session.Heartbeat)
		}
		after(2 * time.Minute)
		period(time.Second) // the node has not heard of it
		after(time.Minute - 1)
		if err := n.beat(); err != nil || m.status("n1") != specs.NodeReady {
			t.Fatalf("%s, %v", m.status("n1"), err)
		}
		after(3*time.Second - 1)
		if got := m.status("n1"); got != specs.NodeReady {
			t.Errorf("%s before three seconds", got)
		}
		after(1)
		if got := m.status("n1"); got != specs.NodeDown {
			t.Errorf("%s after three seconds", got)
		}
	})
}

// TestHeartbeatsComeTogether follows a node that says that it lives when it is told
// to: it comes at every of a few moments of a period, as all nodes do.
func TestHeartbeatsComeTogether(t *testing.T) {
	bubble(t, func(m *manager) {
		const period = specs.DefaultHeartbeat
		n := m.connect("n1")
		after(rand.N(period))
		moments := make(map[time.Duration]bool) // of a period
		for range 5000 {
			answer, err := n.say(wire.NodeMessage{Heartbeat: &wire.Heartbeat{}})
			if err != nil {
				t.Fatal(err)
			}
			next := time.Duration(answer.Heard.Next)
			if next < period*8/10 || next > period*12/10 {
				t.Fatalf("the next in %s", next)
			}
			after(next)
			moments[time.Duration(time.Now().UnixNano())%period] = true
		}
		if len(moments) != 20 {
			t.Errorf("it came at %d moments of a period", len(moments))
		}
	})
}

// TestTroubleOfTheLeaderIsNoOpening lets a new leader fail to write for a while.
func TestTroubleOfTheLeaderIsNoOpening(t *testing.T) {
	bubble(t, func(m *manager) {
		m.failing(errors.New("no quorum yet"), false)
		for range 10 {
			if _, err := m.tryConnect("n1"); err == nil || strings.Contains(err.Error(), "two daemons") {
				t.Fatalf("got %v", err)
			}
		}
		m.failing(nil, false)
		m.connect("n1")
	})
}

// TestTurns has a node replace its open session again and again, which two daemons
// do that have one identity, and another that ends each session before the next.
func TestTurns(t *testing.T) {
	bubble(t, func(m *manager) {
		for range 3 {
			m.connect("n1")
		}
		if _, err := m.tryConnect("n1"); err == nil || !strings.Contains(err.Error(), "two daemons") {
			t.Errorf("got %v", err)
		}
		after(8 * time.Second)
		m.connect("n1")
		for range 10 {
			n := m.connect("n2")
			n.leave()
			after(time.Millisecond)
		}
	})
}

// TestTrouble tells what a node says of itself, while it is connected.
func TestTrouble(t *testing.T) {
	bubble(t, func(m *manager) {
		want := func(trouble wire.Trouble, known bool) {
			t.Helper()
			if got, knows := m.Trouble("n1"); got != trouble || knows != known {
				t.Errorf("trouble %+v, known: %v", got, knows)
			}
		}
		want(wire.Trouble{}, false)
		n := m.connect("n1")
		want(wire.Trouble{}, true)
		n.trouble = wire.Trouble{Node: "its certificate runs out", Disk: "full"}
		if err := n.beat(); err != nil {
			t.Fatal(err)
		}
		want(n.trouble, true)
		n.leave()
		after(time.Millisecond)
		want(wire.Trouble{}, false)
	})
}

// A manager that is demoted hears of it once it has no vote any more: closed
// before, it would count as lost.
func TestAManagerKeepsItsRoleAsLongAsItsVote(t *testing.T) {
	bubble(t, func(m *manager) {
		voters := []wire.Manager{{NodeID: "n1", Addr: "a:1", Leader: true}, {NodeID: "n2", Addr: "b:1"}}
		m.others.set(voters)
		n := m.connect("n1")
		if first, _ := n.hears(); first.Role != specs.Manager {
			t.Errorf("a manager hears that it is a %q", first.Role)
		}
		m.setSpec("n1", func(s *specs.NodeSpec) { s.Role = specs.Worker })
		if got, told := n.hears(); told {
			t.Errorf("with its vote it hears %+v", got)
		}
		m.others.set(voters[1:])
		if got, told := n.hears(); !told || got.Role != specs.Worker {
			t.Errorf("without it, it hears %+v", got)
		}
	})
}
