package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// holds demands that exactly these tasks exist in the node's executor.
func (n *node) holds(want ...string) {
	n.Helper()
	found, err := n.engine.List(context.Background())
	if err != nil {
		n.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		n.Errorf("the executor of %s holds: %s", n.id, diff)
	}
}

// startedOnce demands that no task ran twice.
func (n *node) startedOnce() {
	n.Helper()
	for id, starts := range n.engine.Starts() {
		if starts != 1 {
			n.Errorf("task %s was started %d times", id, starts)
		}
	}
}

// remembered returns the tasks on the disk of a stopped daemon.
func (n *node) remembered() (ids []string) {
	n.Helper()
	db, err := bbolt.Open(filepath.Join(n.dir, "tasks.db"), 0o600, nil)
	if err != nil {
		n.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	_ = db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("tasks")).ForEach(func(id, _ []byte) error {
			ids = append(ids, string(id))
			return nil
		})
	})
	return ids
}

// crash ends the daemon as kill -9 does: what it has not written is lost.
func (n *node) crash() {
	n.Helper()
	path := filepath.Join(n.dir, "tasks.db")
	disk, err := os.ReadFile(path)
	if err != nil {
		n.Fatal(err)
	}
	n.daemon.stop()
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		n.Fatal(err)
	}
}

func (n *node) rememberedAfterStop() []string {
	n.Helper()
	n.daemon.stop()
	return n.remembered()
}

// logs keeps lines in memory.
type logs struct {
	mu        sync.Mutex
	lines     map[string][]wire.LogLine
	forgotten []string
	broken    error                    // what Remove comes to
	following map[string]chan struct{} // closed at the task's end
}

func newLogs() *logs {
	return &logs{lines: map[string][]wire.LogLine{}, following: map[string]chan struct{}{}}
}

func (l *logs) Read(ctx context.Context, id string, opts agent.LogOptions, yield func([]wire.LogLine) error) error {
	l.mu.Lock()
	lines, end := l.lines[id], l.following[id]
	l.mu.Unlock()
	if opts.Tail >= 0 && len(lines) > opts.Tail {
		lines = lines[len(lines)-opts.Tail:]
	}
	if err := yield(lines); err != nil || !opts.Follow {
		return err
	}
	select {
	case <-end:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *logs) write(id, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[id] = append(l.lines[id], wire.LogLine{TaskID: id, At: time.Now(), Text: []byte(text)})
}

func (l *logs) Remove(_ context.Context, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	delete(l.lines, id)
	l.forgotten = append(l.forgotten, id)
	return nil
}

func (l *logs) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
}

func (l *logs) gone() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.forgotten)
	return l.forgotten
}
