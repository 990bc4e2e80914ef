package containerd

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
)

// BenchmarkHealth compares the processor time of health checks with that of the
// same commands run by the client's own calls, turn about in one run. It counts
// this process, containerd, its shims and all that they have started. ns/op means
// nothing.
func BenchmarkHealth(b *testing.B) {
	const checks = 20
	bench := newBench(b)
	task := bench.start(b, specs.TaskSpec{}, "sleep")
	var pairs executortest.Pairs
	for b.Loop() {
		bare := cost(b, func() { repeat(checks, func() { bench.bareExec(b, task.ID) }) }) / checks
		pairs.Add(cost(b, func() { repeat(checks, func() { bench.check(b, task.ID) }) })/checks, bare)
	}
	pairs.Report(b, "processor time of a health check", 1.2)
}

func repeat(n int, f func()) {
	for range n {
		f()
	}
}

func (b *bench) check(t testing.TB, id string) {
	t.Helper()
	code, err := b.Exec(t.Context(), id, executor.Command{Args: []string{"program", "print=ok"}, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil || code != 0 {
		t.Fatalf("code %d, %v", code, err)
	}
}

func (b *bench) bareExec(t testing.TB, id string) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	container, err := b.client.LoadContainer(ctx, id)
	must(err)
	spec, err := container.Spec(ctx)
	must(err)
	task, err := container.Task(ctx, nil)
	must(err)
	process := *spec.Process
	process.Args = []string{"program", "print=ok"}
	running, err := task.Exec(ctx, fmt.Sprintf("bare%d", time.Now().UnixNano()), &process, cio.NewCreator(cio.WithStreams(nil, io.Discard, io.Discard)))
	must(err)
	exit, err := running.Wait(ctx)
	must(err)
	must(running.Start(ctx))
	if status := <-exit; status.ExitCode() != 0 {
		t.Fatalf("code %d", status.ExitCode())
	}
	_, err = running.Delete(ctx, client.WithProcessKill)
	must(err)
}

// cost is the processor time that f takes of the engine and of this process.
func cost(t testing.TB, f func()) time.Duration {
	t.Helper()
	before := processorTime(t)
	f()
	return processorTime(t) - before
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	shims, err := procfs.Find(shared.managed.isShim)
	if err != nil {
		t.Fatal(err)
	}
	var ticks int64
	for _, p := range append(shims, shared.managed.process, procfs.Process{PID: os.Getpid()}) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
		if err != nil {
			continue // it has ended: those who waited for it count it
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		for _, field := range strings.Fields(rest)[11:15] { // its own, and of those it waited for
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100
}
