package containerd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
)

// hang has a process of containerd's stand still until the returned function is
// called, or the test ends, and calls be given up soon.
func (b *bench) hang(t *testing.T, p procfs.Process) (resume func()) {
	t.Helper()
	send := func(signal syscall.Signal) {
		if err := p.Signal(signal); err != nil {
			t.Error(err)
		}
	}
	b.answerLimit = time.Second
	send(syscall.SIGSTOP)
	resume = sync.OnceFunc(func() {
		send(syscall.SIGCONT)
		b.answerLimit = answerLimit
	})
	t.Cleanup(resume)
	return resume
}

// shim is the one of a task.
func (b *bench) shim(t *testing.T, id string) procfs.Process {
	t.Helper()
	shims, err := procfs.Find(func(args []string) bool {
		return slices.Contains(args, id) && privateContainerd(t).isShim(args)
	})
	if err != nil || len(shims) != 1 {
		t.Fatalf("%d shims of the task (%v)", len(shims), err)
	}
	return shims[0]
}

// A start that a hanging shim does not answer is no failure of the task, and not
// waited for without a word.
func TestStartOfAHangingShim(t *testing.T) {
	b := newBench(t)
	task := b.task(t, specs.TaskSpec{Command: []string{"sleep"}})
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Fatal(err)
	}
	resume := b.hang(t, b.shim(t, task.ID))
	if _, err := b.Start(t.Context(), task.ID); !errors.Is(err, executor.ErrTemporary) {
		t.Errorf("started with %v, want a temporary error", err)
	}
	resume()
	if pid, err := b.Start(t.Context(), task.ID); err != nil || pid == 0 {
		t.Errorf("started again as %d (%v)", pid, err)
	}
}

// hangsAtStart is a containerd whose shim hangs when a command is to be started.
type hangsAtStart struct {
	tasksapi.TasksClient
	hang func()
	told bool // of a deadline, that it could say has passed
}

func (h *hangsAtStart) Start(ctx context.Context, r *tasksapi.StartRequest, options ...grpc.CallOption) (*tasksapi.StartResponse, error) {
	h.hang()
	_, h.told = ctx.Deadline()
	return h.TasksClient.Start(ctx, r, options...)
}

// A command that cannot be started in time, on a machine that is too busy, is no
// failed check of its task's health.
func TestACommandWhoseStartHangs(t *testing.T) {
	b := newBench(t)
	task := b.start(t, specs.TaskSpec{}, "sleep")
	shim := b.shim(t, task.ID)
	h := &hangsAtStart{TasksClient: b.tasks, hang: func() { b.hang(t, shim) }}
	b.tasks = h
	_, err := b.Exec(t.Context(), task.ID, executor.Command{Args: []string{"program", "exit=0"}})
	if !errors.Is(err, executor.ErrTemporary) || h.told {
		t.Errorf("containerd was told of a deadline: %v; %v", h.told, err)
	}
}

// Nothing waits for a containerd that hangs without a word, and what it did not do
// is done when it goes on.
func TestAHangingContainerd(t *testing.T) {
	b := newBench(t)
	task := b.task(t, specs.TaskSpec{Command: []string{"sleep"}})
	resume := b.hang(t, privateContainerd(t).process)
	if err := b.Prepare(t.Context(), task, nil); !errors.Is(err, errSilent) {
		t.Errorf("prepared with %v, want %v", err, errSilent)
	}
	if _, err := b.List(t.Context()); !errors.Is(err, errSilent) {
		t.Errorf("listed with %v, want %v", err, errSilent)
	}
	resume()
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Error(err)
	}
}

func TestOnlyLastingCallsHaveNoLimit(t *testing.T) {
	for method, limited := range map[string]bool{
		"/containerd.services.tasks.v1.Tasks/Create":           true,
		"/containerd.services.tasks.v1.Tasks/Start":            true,
		"/containerd.services.containers.v1.Containers/Create": true,
		"/containerd.services.tasks.v1.Tasks/Wait":             false,
		"/containerd.services.diff.v1.Diff/Apply":              false,
		"/containerd.services.snapshots.v1.Snapshots/Prepare":  false,
	} {
		synctest.Test(t, func(t *testing.T) {
			e := &Engine{answerLimit: answerLimit}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			began := time.Now()
			err := e.limited(ctx, method, nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				<-ctx.Done()
				return ctx.Err()
			})
			took := time.Since(began)
			if got := took == answerLimit; got != limited || !limited && took != time.Hour {
				t.Errorf("%s took %s", method, took)
			}
			if !limited {
				return
			}
			err = failure(ctx, "prepare", errgrpc.ToNative(err))
			if !errors.Is(err, executor.ErrTemporary) || !strings.HasPrefix(err.Error(), "containerd has not answered for 30s") {
				t.Errorf("%s: %v", method, err)
			}
		})
	}
}
