package reconciler

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// bubble runs a test with a manager in memory that leads. Its loop runs only
// when converging is wanted; else the test writes what converge and the
// dispatcher would.
func bubble(t *testing.T, converging bool, f func(*testing.T, *Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, err := New(t.Context(), Config{
			NodeID: "n1", First: &First{ClusterID: "c1", Name: "test", NodeID: "n1"}, HTTP: "127.0.0.1:2378",
			Memory: consensus.NewMemory(), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		run := m.Run
		if !converging {
			run = m.raft.Run
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil && err != context.Canceled {
				t.Errorf("run: %v", err)
			}
			if err := m.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		if _, err := m.raft.Leading(ctx); err != nil {
			t.Fatal(err)
		}
		if !converging {
			if err := m.bootstrap(ctx); err != nil {
				t.Fatal(err)
			}
			m.leading.Store(true)
		}
		synctest.Wait()
		f(t, m)
	})
}

func (m *Manager) write(t testing.TB, changes ...specs.Change) {
	t.Helper()
	errs, err := m.raft.Propose(t.Context(), []specs.Transaction{changes})
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tree is a stack repository with one stack, shop, and one service of it.
func tree(stack string) fstest.MapFS {
	return fstest.MapFS{"stacks/shop/stack.yml": {Data: []byte(stack)}}
}

const shop = "services:\n  web:\n    image: demo/web:1.0\n"

func commit(n int) string { return fmt.Sprintf("%07d%033d", n, 0) }

// pushOf is a push of files to main that moves it from the commit old to n; 0 is
// no commit.
func pushOf(old, n int, files fstest.MapFS, options ...string) git.Push {
	p := git.Push{
		Ref: "refs/heads/main", New: commit(n), Followed: true, Files: files, Options: options,
		Commit: git.Commit{Hash: commit(n), Author: "ana", Subject: fmt.Sprintf("push %d", n)},
	}
	if old != 0 {
		p.Old = commit(old)
	}
	return p
}

// seed writes a service of shop with a revision that rolls it out, as a push and
// the first pass of the loop would.
func seed(t testing.TB, m *Manager, replicas uint64) (old, new specs.Hash) {
	t.Helper()
	before, after := specs.TaskSpec{Image: "demo/web:1"}, specs.TaskSpec{Image: "demo/web:2"}
	old, new = encoding.HashTaskSpec(before), encoding.HashTaskSpec(after)
	svc := specs.Service{ID: "web", Spec: specs.ServiceSpec{Name: "shop_web", Stack: "shop", Replicas: &replicas, Task: new}}
	node := specs.Node{ID: "n7", Seen: specs.NodeSeen{Description: specs.NodeDescription{Hostname: "worker7"}}}
	rev := specs.Revision{
		ID: "r1", Source: specs.MainSource, Commit: commit(1), Created: m.raft.Now(), Changed: []string{"shop"},
		Progress: specs.RevisionProgress{State: specs.RevisionRollingOut},
	}
	m.write(t, specs.Change{Node: specs.Insert(node.ID, node)}, specs.Change{TaskSpec: &before}, specs.Change{TaskSpec: &after},
		specs.Change{Service: specs.Insert(svc.ID, svc)}, specs.Change{Revision: specs.Insert(rev.ID, rev)},
		specs.Change{Task: specs.Insert("old2", taskOf("old2", 2, old, specs.StateRunning))}) // keeps the old spec
	return old, new
}

func taskOf(id string, slot uint64, spec specs.Hash, state specs.State) specs.Task {
	return specs.Task{
		ID: id, ServiceID: "web", ServiceName: "shop_web", Slot: slot, Spec: spec,
		Want: specs.TaskWant{Desired: specs.StateRunning, Node: "n7"}, Seen: specs.TaskSeen{State: state},
	}
}

func (m *Manager) progress(t testing.TB, state specs.RevisionState, reason string) {
	t.Helper()
	rev, _ := m.store.Snapshot().Revision("r1")
	m.write(t, specs.Change{RevisionProgress: specs.Set("r1", rev.ProgressVersion,
		specs.RevisionProgress{State: state, Since: m.raft.Now(), Reason: reason})})
}

func (m *Manager) see(t testing.TB, id string, seen specs.TaskSeen) {
	t.Helper()
	task, _ := m.store.Snapshot().Task(id)
	m.write(t, specs.Change{TaskSeen: specs.Set(id, task.SeenVersion, seen)})
}

// later lets virtual time pass, and everything happen that is due.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
