package containerd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// A shim that hangs, as on a machine that is too busy, says nothing about its task:
// that is not taken for one whose process is gone, nor for one that was stopped.
func TestMuteShim(t *testing.T) {
	b := newBench(t)
	task := b.start(t, specs.TaskSpec{}, "sleep")
	other := b.start(t, specs.TaskSpec{}, "sleep")
	shim := b.shim(t, task.ID)
	if err := shim.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := func() {
		if err := shim.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	defer resume()

	phases := map[string]executor.Phase{}
	for phases[other.ID] != executor.Running { // a machine that is too busy has it mute for a while
		for _, f := range must(b.List(t.Context())) {
			phases[f.ID] = f.Phase
		}
		if p := phases[other.ID]; phases[task.ID] != executor.Mute || p != executor.Running && p != executor.Mute {
			t.Fatalf("phases %v, want %d of the mute one and %d of the other", phases, executor.Mute, executor.Running)
		}
	}
	if err := b.Stop(t.Context(), task.ID, time.Second); !errors.Is(err, executor.ErrTemporary) {
		t.Errorf("stopped with %v, want a temporary error", err)
	}
	_, err := b.Exec(t.Context(), task.ID, executor.Command{Args: []string{"/program", "exit", "0"}})
	if !errors.Is(err, executor.ErrTemporary) {
		t.Errorf("a command in it: %v, want a temporary error", err)
	}
	if err := b.look(t.Context(), task.ID); err != nil {
		t.Errorf("who watches all tasks stops at the mute one: %v", err)
	}
	left := filepath.Join(b.executions(), task.ID+".left")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	next, err := Open(ctx, b.config)
	if err != nil {
		t.Fatalf("the next daemon does not begin, for a command that was left: %v", err)
	}
	if err := next.Close(); err != nil || !pathExists(left) {
		t.Errorf("the command is forgotten: %v", err)
	}
	resume()
	if openEngine(t, b.pipes); pathExists(left) {
		t.Error("the command is not cleared up when that can be")
	}
	if err := b.Stop(t.Context(), task.ID, time.Minute); err != nil {
		t.Error(err)
	}
	if exit, err := b.Wait(t.Context(), task.ID); err != nil {
		t.Errorf("ended with %v, %v", exit, err)
	}
}
