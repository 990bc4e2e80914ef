package reconciler

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// The loop makes the tasks that a push asks for and says why they do not run.
func TestTheLoopActsOnAPush(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		later(time.Second)
		if m.Leader() != "n1" {
			t.Fatal("it does not lead")
		}
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err != nil {
			t.Fatal(err)
		}
		later(time.Second)
		svc, _ := m.store.Snapshot().ServiceNamed("shop_web")
		count := 0
		for task := range m.store.Snapshot().TasksOf(svc.ID) {
			count++
			if task.State() != specs.StatePending || task.Want.Reason == "" {
				t.Errorf("got %+v", task)
			}
		}
		if count != 1 {
			t.Errorf("%d tasks", count)
		}
	})
}

// full is a consensus on a real disk whose free space the test decides.
func full(t *testing.T) (m *Manager, free *atomic.Uint64) {
	t.Helper()
	free = &atomic.Uint64{}
	free.Store(1 << 40)
	m = &Manager{log: slog.New(slog.DiscardHandler), store: store.New()}
	var err error
	m.raft, err = consensus.Open(consensus.Config{
		Dir: t.TempDir(), NodeID: "n1", Store: m.store, Bootstrap: true, Log: m.log,
		Disk: consensus.DiskConfig{Ballast: 1 << 12, Free: func(string) (uint64, error) { return free.Load(), nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, free
}

// What was decided while the disk was full is written once there is room again;
// the term does not end for it.
func TestADecisionWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, free := full(t)
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- m.raft.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ran; err != nil {
				t.Errorf("run: %v", err)
			}
		}()
		if _, err := m.raft.Leading(ctx); err != nil {
			t.Fatal(err)
		}
		free.Store(1 << 20)
		later(2 * time.Second)
		if m.DiskTrouble() == "" {
			t.Fatal("the disk is not full")
		}

		decided := make(chan error, 1)
		node := specs.Node{ID: "n1"}
		go func() {
			decided <- m.decide(ctx, m.store.Snapshot(), []specs.Transaction{{{Node: specs.Insert("n1", node)}}})
		}()
		later(10 * time.Minute)
		select {
		case err := <-decided:
			t.Fatalf("it ended on a full disk: %v", err)
		default:
		}
		if _, written := m.store.Snapshot().Node("n1"); written {
			t.Fatal("it was written on a full disk")
		}
		free.Store(1 << 40)
		if err := <-decided; err != nil {
			t.Fatal(err)
		}
		if _, written := m.store.Snapshot().Node("n1"); !written {
			t.Error("it was not written")
		}

		free.Store(1 << 20)
		later(2 * time.Second)
		brief, end := context.WithTimeout(ctx, time.Minute)
		defer end()
		if err := m.decide(brief, m.store.Snapshot(), []specs.Transaction{{{Node: specs.Insert("n2", specs.Node{ID: "n2"})}}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the end of the term: %v", err)
		}
	})
}

// A conflict is somebody else's decision and ends nothing; that they are looked
// at again is the loop's. Neither does what no entry can hold.
func TestARefusalEndsNoTerm(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		stale := specs.Transaction{{Service: specs.Remove[specs.Service]("nothing", 7)}}
		fresh := specs.Transaction{{Node: specs.Insert("n9", specs.Node{ID: "n9"})}}
		large := specs.Transaction{{Node: specs.Insert("n8", specs.Node{ID: "n8", Spec: specs.NodeSpec{Labels: map[string]string{"a": strings.Repeat("a", 5<<20)}}})}}
		if err := m.decide(t.Context(), m.store.Snapshot(), []specs.Transaction{stale, large, fresh}); err != nil {
			t.Error(err)
		}
		if _, written := m.store.Snapshot().Node("n9"); !written {
			t.Error("the refusals took the other decision with them")
		}
	})
}

func TestAlarm(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		if m.alarm(time.Time{}) != nil {
			t.Error("the zero time fires")
		}
		began := time.Now()
		<-m.alarm(m.raft.Now().Add(3 * time.Second))
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("fired after %s", took)
		}
		<-m.alarm(m.raft.Now().Add(-time.Hour)) // what is overdue is due now
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("fired after %s", took)
		}
	})
}
