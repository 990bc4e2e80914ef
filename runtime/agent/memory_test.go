package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
)

// remember opens a memory that is written until the test ends.
func remember(t *testing.T) *memory {
	m, err := openMemory(filepath.Join(t.TempDir(), memoryFile))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.run(ctx, slog.New(slog.DiscardHandler)) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		_ = m.close()
	})
	return m
}

// inState is a task that is in a state.
type inState specs.State

func (s inState) kept() row { return row{Life: task.Life{Seen: specs.TaskSeen{State: specs.State(s)}}} }

func wantRows(t *testing.T, m *memory, want map[string]specs.State) {
	t.Helper()
	rows, err := m.load()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]specs.State{}
	for id, r := range rows {
		got[id] = r.Life.Seen.State
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("on disk: %v, want %v", got, want)
	}
}

func TestMemoryWritesBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remember(t)
		m.put("a", inState(specs.StatePreparing))
		m.put("a", inState(specs.StateRunning))
		m.put("b", inState(specs.StateRunning))
		wantRows(t, m, map[string]specs.State{})
		time.Sleep(writePause)
		synctest.Wait()
		wantRows(t, m, map[string]specs.State{"a": specs.StateRunning, "b": specs.StateRunning})
		m.put("b", nil)
		time.Sleep(writePause)
		synctest.Wait()
		wantRows(t, m, map[string]specs.State{"a": specs.StateRunning})
	})
}

func TestFlushWaitsForTheDiskAndForNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remember(t)
		start := time.Now()
		if err := m.flush(t.Context()); err != nil {
			t.Error(err)
		}
		m.put("a", inState(specs.StateFailed))
		if err := m.flush(t.Context()); err != nil {
			t.Error(err)
		}
		wantRows(t, m, map[string]specs.State{"a": specs.StateFailed})
		if took := time.Since(start); took != 0 {
			t.Errorf("took %s", took)
		}
	})
}

func TestWhatCannotBeWrittenIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remember(t)
		m.put("a", inState(specs.StateRunning))
		m.put("b", inState(specs.StateRunning))
		m.put(string(make([]byte, bbolt.MaxKeySize+1)), inState(specs.StateRunning)) // no disk takes this
		time.Sleep(writePause)
		synctest.Wait()
		m.put("b", inState(specs.StateFailed)) // newer than what failed
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := m.flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flushed what cannot be written: %v", err)
		}
		m.put(string(make([]byte, bbolt.MaxKeySize+1)), nil)
		if err := m.flush(t.Context()); err != nil {
			t.Error(err)
		}
		wantRows(t, m, map[string]specs.State{"a": specs.StateRunning, "b": specs.StateFailed})
	})
}

func TestOutboxKeepsTheLatest(t *testing.T) {
	o := newOutbox()
	running, failed := specs.TaskSeen{State: specs.StateRunning}, specs.TaskSeen{State: specs.StateFailed}
	o.put("a", running, true)
	o.put("b", running, true)
	sent := o.take()
	if len(sent) != 2 || sent[0].TaskID != "a" || len(o.take()) != 0 {
		t.Fatalf("took %v", sent)
	}
	o.put("a", failed, true)
	o.putBack(sent)
	again := o.take()
	if len(again) != 2 || again[0].Seen.State != specs.StateFailed || again[1].TaskID != "b" {
		t.Errorf("took %v", again)
	}
	for i := range maxReports + 1 {
		o.put(fmt.Sprint(i), running, false)
	}
	if first, rest := len(o.take()), len(o.take()); first != maxReports || rest != 1 {
		t.Errorf("took %d, then %d", first, rest)
	}
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{}
		for _, bound := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 8000, 8000} {
			start := time.Now()
			b.wait(t.Context())
			if took := time.Since(start); took >= bound*time.Millisecond || b.bound != bound*time.Millisecond {
				t.Errorf("waited %s, bound %s, want below %dms", took, b.bound, bound)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if b.wait(ctx) {
			t.Error("goes on after its context")
		}
	})
}
