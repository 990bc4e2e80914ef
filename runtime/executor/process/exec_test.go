package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// What a command has started ends with it, also in a session of its own.
func TestCommandsLeaveNothing(t *testing.T) {
	b := newBench(t)
	b.start("a", spec("sleep"))
	b.ready("a", 1)
	before := len(b.alive())
	ctx, cancel := context.WithCancel(t.Context())
	var out readyWriter = make(chan struct{}, 16)
	ended := make(chan error, 1)
	go func() {
		_, err := b.Exec(ctx, "a", executor.Command{Args: []string{os.Args[0], "program", "escape=unmarked", "deaf"}, Stdout: out})
		ended <- err
	}()
	for range 3 { // the child, its child, and the command
		<-out
	}
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Error(err)
	}
	if left := len(b.alive()) - before; left > 0 {
		t.Errorf("%d processes are left of a command that was killed", left)
	}
	for _, pid := range b.alive()[before:] {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err := b.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// What a command has started whose attendant was killed ends with the task.
func TestAttendantIsKilled(t *testing.T) {
	b := newBench(t)
	b.start("a", spec("sleep"))
	b.ready("a", 1)
	var out readyWriter = make(chan struct{}, 16)
	over := make(chan error, 1)
	go func() {
		_, err := b.Exec(t.Context(), "a", executor.Command{Args: []string{os.Args[0], "program", "escape=marked", "deaf"}, Stdout: out})
		over <- err
	}()
	for range 3 {
		<-out
	}
	for _, pid := range b.alive() {
		if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(args), verbAttend) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if err := errors.Join(b.Stop(t.Context(), "a", time.Minute), b.Remove(t.Context(), "a")); err != nil {
		t.Error(err)
	}
	left := b.alive()
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if <-over; len(left) > 0 {
		t.Errorf("%d processes are left of a command whose attendant was killed", len(left))
	}
}

// Nothing that a command is given takes our marker away.
func TestCommandsAreMarked(t *testing.T) {
	for _, theirs := range []string{marker + "=theirs", marker} {
		p, err := commandOf("a", program{Env: []string{"PATH=/bin", marker + "=a"}, Dir: "/"}, executor.Command{Args: []string{"/bin/sh"}, Env: []string{theirs}})
		if diff := cmp.Diff([]string{"PATH=/bin", marker + "=a"}, p.Env); err != nil || diff != "" {
			t.Errorf("%s: %v %s", theirs, err, diff)
		}
	}
}

type readyWriter chan struct{}

func (w readyWriter) Write(p []byte) (int, error) {
	for range strings.Count(string(p), "ready") {
		w <- struct{}{}
	}
	return len(p), nil
}
