package containerd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// TestKilledDuringPrepare abandons the making of a task at many moments, as a
// daemon does that is killed: containerd sees its calls end. The next daemon
// makes the task all the same.
func TestKilledDuringPrepare(t *testing.T) {
	b := newBench(t)
	for i := range 12 {
		task := b.task(t, specs.TaskSpec{Command: []string{"sleep"}})
		ctx, kill := context.WithTimeout(t.Context(), time.Duration(i)*8*time.Millisecond)
		abandoned := b.Prepare(ctx, task, nil)
		kill()
		next := openEngine(t, b.pipes)
		if err := next.Prepare(t.Context(), task, nil); err != nil {
			t.Fatalf("after %d ms (%v): %v", 8*i, abandoned, err)
		}
		if _, err := next.Start(t.Context(), task.ID); err != nil {
			t.Errorf("start after %d ms (%v): %v", 8*i, abandoned, err)
		}
	}
}

// TestStrayInTheCgroup has a process in the cgroup of a half made task that
// containerd does not know, as an abandoned runc leaves it.
func TestStrayInTheCgroup(t *testing.T) {
	b := newBench(t)
	task := b.task(t, specs.TaskSpec{Command: []string{"sleep"}})
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.discardProcess(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	stray := exec.Command("sleep", "1000")
	if err := stray.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stray.Wait() }()
	joined := 0
	for _, parent := range b.host.cgroups.Dirs(b.config.CgroupParent) {
		dir := filepath.Join(parent, task.ID)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(stray.Process.Pid)), 0) == nil {
			joined++
		}
	}
	if joined == 0 {
		t.Fatal(errors.Join(errors.New("the stray process joins no cgroup"), stray.Process.Kill(), <-ended))
	}
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Errorf("prepare beside a stray process: %v", err)
	}
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the stray process ended with %v", err)
	}
}

// TestLeftByAnAbandonedCreation has a shim and directories of a task that containerd
// does not know. The shim never answers; the next creation would wait for it.
func TestLeftByAnAbandonedCreation(t *testing.T) {
	b := newBench(t)
	task, other := b.task(t, specs.TaskSpec{Command: []string{"sleep"}}), b.start(t, specs.TaskSpec{}, "sleep")
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.discardProcess(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	shim := exec.Command("sh")
	shim.Args = []string{"containerd-shim-runc-v2", "-c", "read line", "-namespace", b.config.Namespace, "-id", task.ID, "-address", b.config.Socket}
	input, err := shim.StdinPipe()
	if err == nil {
		err = shim.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- shim.Wait() }()
	bundles := filepath.Join(b.config.State, bundlesDir, b.config.Namespace)
	for _, dir := range []string{task.ID, "." + task.ID} {
		if err := os.MkdirAll(filepath.Join(bundles, dir, "rootfs", "etc"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Errorf("prepare beside a stray shim: %v", err)
	}
	_ = input.Close() // it ends by itself if it was not killed
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the stray shim ended with %v", err)
	}
	if err := b.Remove(t.Context(), task.ID); err != nil {
		t.Error(err)
	}
	for dir, there := range map[string]bool{task.ID: false, "." + task.ID: false, other.ID: true} {
		if pathExists(filepath.Join(bundles, dir)) != there {
			t.Errorf("%s is there: %t", dir, !there)
		}
	}
	if err := b.look(t.Context(), other.ID); err != nil {
		t.Errorf("another task: %v", err)
	}
}

// TestBundleInTheWay has the directory of a task that containerd knows no more.
// Only what is the task's own is taken away.
func TestBundleInTheWay(t *testing.T) {
	e := &Engine{config: Config{Namespace: "swarmgit"}}
	dir := filepath.Join(t.TempDir(), bundlesDir, "swarmgit")
	work := filepath.Join(t.TempDir(), "t1")
	for _, made := range []string{filepath.Join(dir, "t1", "rootfs", "etc"), filepath.Join(dir, "t2"), work} {
		if err := os.MkdirAll(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(work, filepath.Join(dir, "t1", "work")); err != nil {
		t.Fatal(err)
	}
	refusal := func(path string) error {
		return errors.New("failed to start shim: mkdir " + path + ": file exists: unknown")
	}
	for _, other := range []error{refusal(filepath.Join(dir, "t2")), refusal("/etc/t1"), errors.New("no space left on device")} {
		if e.clearBundle(other, "t1") {
			t.Errorf("cleared for %v", other)
		}
	}
	if !e.clearBundle(refusal(filepath.Join(dir, "t1")), "t1") {
		t.Error("not cleared")
	}
	for path, there := range map[string]bool{filepath.Join(dir, "t1"): false, work: false, filepath.Join(dir, "t2"): true} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
}
