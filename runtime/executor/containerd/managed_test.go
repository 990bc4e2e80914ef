package containerd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// ownContainerd starts a private containerd of the test's own, shut down when
// the test ends.
func ownContainerd(t *testing.T) (*Managed, Config) {
	t.Helper()
	return ownContainerdIn(t, t.TempDir())
}

func ownContainerdIn(t *testing.T, dir string) (*Managed, Config) {
	t.Helper()
	needContainerd(t)
	m, err := NewManaged(ManagedConfig{DataDir: dir, Log: testLog()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := withTimeout()
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m, m.EngineConfig()
}

// supervise runs the supervisor until the test ends or stop is called.
func supervise(t *testing.T, m *Managed) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("supervisor ended: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func openBench(t *testing.T, config Config) *bench {
	t.Helper()
	pipes := newPipes(t)
	config.Logs = pipes
	engine, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return &bench{Engine: engine, pipes: pipes, image: loadTestImage(t, engine)}
}

// waitAgain waits for the end of a task as the agent does: again and again while
// the engine is away.
func waitAgain(ctx context.Context, e *Engine, id string) (specs.Exit, int, error) {
	for retries := 0; ; retries++ {
		exit, err := e.Wait(ctx, id)
		if !errors.Is(err, executor.ErrTemporary) {
			return exit, retries, err
		}
		if err := bell.Sleep(ctx, 20*time.Millisecond); err != nil {
			return exit, retries, err
		}
	}
}

func TestTasksOutliveContainerd(t *testing.T) {
	m, config := ownContainerd(t)
	stop := supervise(t, m)
	b := openBench(t, config)
	running, prepared := b.start(t, specs.TaskSpec{}, "sleep"), b.task(t, specs.TaskSpec{Command: []string{"sleep"}})
	b.pipes.await(t, running.ID, "ready")
	if err := b.Prepare(t.Context(), prepared, nil); err != nil {
		t.Fatal(err)
	}
	before, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	type end struct {
		exit    specs.Exit
		retries int
		err     error
	}
	ended := make(chan end, 1)
	go func() {
		exit, retries, err := waitAgain(t.Context(), b.Engine, running.ID)
		ended <- end{exit, retries, err}
	}()
	killContainerd(t, m)
	after := listAgain(t, b.Engine)
	for i := range before {
		if len(after) != len(before) || before[i] != after[i] {
			t.Fatalf("before the death of containerd %+v, after it %+v", before, after)
		}
	}
	if _, err := b.Start(t.Context(), prepared.ID); err != nil {
		t.Errorf("start of a task prepared before: %v", err)
	}
	if err := b.kill(t.Context(), running.ID, syscall.SIGUSR1, false); err != nil {
		t.Fatal(err)
	}
	got := <-ended
	if got.err != nil || got.exit.Code != 3 || got.retries == 0 {
		t.Errorf("the wait that began before ended with %+v, want code 3 after some retries", got)
	}
	stop()
}

// one is the only process that was found.
func one(t *testing.T, found []procfs.Process, err error) procfs.Process {
	t.Helper()
	if err != nil || len(found) != 1 {
		t.Fatalf("one process is looked for: %v, %v", found, err)
	}
	return found[0]
}

// killContainerd kills a private containerd as a crash does.
func killContainerd(t *testing.T, m *Managed) {
	t.Helper()
	found, err := m.living()
	old := one(t, found, err)
	if err := errors.Join(old.Signal(syscall.SIGKILL), old.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func TestTaskThatEndsWhileContainerdIsDead(t *testing.T) {
	m, config := ownContainerd(t)
	b := openBench(t, config)
	task := b.start(t, specs.TaskSpec{}, "sleep")
	b.pipes.await(t, task.ID, "ready")
	found, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	killContainerd(t, m)
	if err := syscall.Kill(found[0].PID, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := m.process.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	exit, _, err := waitAgain(t.Context(), b.Engine, task.ID)
	if want := (specs.Exit{Code: 3}); err != nil || exit != want {
		t.Errorf("exit %+v, %v, want %+v", exit, err, want)
	}
}

// listAgain lists the tasks once the engine is back.
func listAgain(t *testing.T, e *Engine) []executor.Found {
	t.Helper()
	for {
		found, err := e.List(t.Context())
		if err == nil {
			return found
		}
		if !errors.Is(err, executor.ErrTemporary) || bell.Sleep(t.Context(), 20*time.Millisecond) != nil {
			t.Fatal(err)
		}
	}
}

func TestManagedIsAdopted(t *testing.T) {
	first, config := ownContainerd(t)
	b := openBench(t, config)
	task := b.start(t, specs.TaskSpec{}, "sleep")

	second, err := NewManaged(first.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second.process != first.process {
		t.Errorf("process %d was started beside process %d", second.process.PID, first.process.PID)
	}
	engine, err := Open(t.Context(), second.EngineConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	found, err := engine.List(t.Context())
	if err != nil || len(found) != 1 || found[0].ID != task.ID || found[0].Phase != executor.Running {
		t.Errorf("the next daemon finds %+v, %v", found, err)
	}
}

func TestShutdownLeavesNothing(t *testing.T) {
	m, config := ownContainerd(t)
	b := openBench(t, config)
	for range 3 {
		task := b.unowned(specs.TaskSpec{Command: []string{"deaf"}})
		if err := b.Prepare(t.Context(), task, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Start(t.Context(), task.ID); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := withTimeout()
	defer cancel()
	if err := m.process.Signal(syscall.SIGKILL); err != nil { // the harder case
		t.Fatal(err)
	}
	if err := m.process.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(b.host.cgroups.Dirs(config.CgroupParent), m.config.RunDir) {
		if pathExists(path) {
			t.Errorf("%s is left", path)
		}
	}
	if left, err := m.processes(); err != nil || len(left) > 0 {
		t.Errorf("processes left: %v, %v", left, err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), m.config.DataDir) || strings.Contains(string(mounts), m.config.RunDir) {
		t.Errorf("mounts left (%v):\n%s", err, mounts)
	}
}

func TestLongDataDirectory(t *testing.T) {
	needContainerd(t)
	m, err := NewManaged(ManagedConfig{DataDir: "/" + strings.Repeat("long/", 60)})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Socket()) > maxSocketPath {
		t.Errorf("socket path %s is too long", m.Socket())
	}
	if _, err := NewManaged(ManagedConfig{DataDir: "/x", RunDir: filepath.Dir("/" + strings.Repeat("long/", 60))}); err == nil {
		t.Error("a run directory too long for a socket is accepted")
	}
}

func TestMissingBinariesAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Installed()
	want := "containerd, containerd-shim-runc-v2, runc not found in PATH: install containerd and runc (Debian and Ubuntu: apt install containerd runc)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestOpenGivesUp(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "containerd.sock")
	want := "no containerd answers at " + socket + ": start it, or use --containerd managed"
	open := func(ctx context.Context) string {
		_, err := Open(ctx, Config{Socket: socket, Dir: t.TempDir(), Log: testLog()})
		return fmt.Sprint(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if got := open(impatient); got != want { // nothing is waited for
		t.Errorf("without a socket: %s", got)
	}
	dead, err := net.Listen("unix", socket) // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	begun := time.Now()
	if got := open(t.Context()); got != want || time.Since(begun) < openTimeout/2 {
		t.Errorf("with a socket that is silent, after %s: %s", time.Since(begun), got)
	}
}

func TestWordsWhileContainerdIsDead(t *testing.T) {
	m, config := ownContainerd(t)
	b := openBench(t, config)
	task := b.start(t, specs.TaskSpec{}, "sleep")
	b.pipes.await(t, task.ID, "ready")
	waited := make(chan error, 1)
	go func() {
		_, err := b.Wait(t.Context(), task.ID)
		waited <- err
	}()
	killContainerd(t, m)
	_, late := b.Wait(t.Context(), task.ID)
	for _, err := range []error{<-waited, late, b.Prepare(t.Context(), b.unowned(specs.TaskSpec{}), nil)} {
		if !errors.Is(err, executor.ErrTemporary) || err.Error() != "containerd is away" {
			t.Errorf("the agent hears %v", err)
		}
	}
	_, listed := b.Images(t.Context())
	_, loaded := b.Load(t.Context(), strings.NewReader(strings.Repeat("x", 1000)))
	for tried, err := range map[string]error{"list": listed, "load": loaded} {
		if want := tried + " images: containerd is away: try again in a moment"; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("people read %v", err)
		}
	}
	if err := errors.Join(m.process.Wait(t.Context()), m.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	listAgain(t, b.Engine)
}

func TestShimIsKilled(t *testing.T) {
	m, config := ownContainerd(t)
	b := openBench(t, config)
	task := b.start(t, specs.TaskSpec{}, "sleep")
	b.pipes.await(t, task.ID, "ready")
	waited := make(chan error, 1)
	go func() {
		_, err := b.Wait(t.Context(), task.ID)
		waited <- err
	}()
	found, err := procfs.Find(m.isShim)
	shim := one(t, found, err)
	if err := errors.Join(shim.Signal(syscall.SIGKILL), shim.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	// A wait that begins after the shim's death finds no process.
	if err := <-waited; err == nil || err.Error() != "task: its container's shim was killed" && !errors.Is(err, executor.ErrNotFound) {
		t.Errorf("the wait ended with %v", err)
	}
	if err := b.Remove(t.Context(), task.ID); err != nil {
		t.Error(err)
	}
}

// A containerd that was started and does not answer yet is waited for: another one
// beside it would only wait for its files.
func TestSlowContainerdIsTheOnlyOne(t *testing.T) {
	dir := t.TempDir()
	m, err := NewManaged(ManagedConfig{DataDir: dir, RunDir: filepath.Join(dir, "run"), Log: testLog()})
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(dir, "second")
	m.binary = filepath.Join(t.TempDir(), "containerd")
	if err := os.WriteFile(m.binary, []byte("#!/bin/sh\ntouch "+second+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	slow := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := slow.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Wait() }()
	defer func() { _ = slow.Process.Kill() }()
	found, err := procfs.LookUp(slow.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	m.process = found.Process
	if err := m.relaunch(ctx); err == nil {
		t.Error("nothing answers, and it says that it does")
	}
	if pathExists(second) {
		t.Error("a second containerd was started")
	}
}
