package cgroup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// inCgroup is a cgroup of version 2 for the test, and a process that sleeps in it.
func inCgroup(t *testing.T) (f FS, cgroup string, sleeper *exec.Cmd) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root has cgroups")
	}
	f = hierarchy2(t)
	dir, err := os.MkdirTemp(f.Root, "swarmgit-test-")
	if err != nil {
		t.Skipf("no cgroup can be made: %v", err)
	}
	cgroup = filepath.Base(dir)
	t.Cleanup(func() {
		if err := f.Clear(context.Background(), cgroup); err != nil {
			t.Error(err)
		}
	})
	sleeper = exec.Command("sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
	})
	return f, cgroup, sleeper
}

// A task that may write to its own cgroup can make threaded ones, whose processes
// the kernel lists in none but the one above.
func TestClearOfThreadedCgroups(t *testing.T) {
	f, cgroup, sleeper := inCgroup(t)
	dir := filepath.Join(f.Root, cgroup)
	pid := fmt.Sprint(sleeper.Process.Pid)
	if err := os.Mkdir(filepath.Join(dir, "threads"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]string{{"cgroup.procs", pid}, {"threads/cgroup.type", "threaded"}, {"threads/cgroup.threads", pid}} {
		if err := write(filepath.Join(dir, step[0]), step[1]); err != nil {
			t.Skip(err)
		}
	}
	if pids, err := f.processes(cgroup); err != nil || len(pids) != 1 {
		t.Errorf("found %v (%v), want one", pids, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- sleeper.Wait() }()
	if err := f.Clear(t.Context(), cgroup); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("the process ended with %v", err)
	}
}

// Who ends while a delegated cgroup is vacated is no reason to go without limits.
func TestVacatePassesOverTheDead(t *testing.T) {
	f, cgroup, sleeper := inCgroup(t)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	listed := FS{Root: t.TempDir(), Unified: true} // as its list was read before
	if err := os.Symlink(filepath.Join(f.Root, cgroup), filepath.Join(listed.Root, leaf)); err != nil {
		t.Fatal(err)
	}
	list := fmt.Sprintf("%d\n%d\n", dead.ProcessState.Pid(), sleeper.Process.Pid)
	if err := os.WriteFile(filepath.Join(listed.Root, "cgroup.procs"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := listed.vacate("/"); err != nil {
		t.Error(err)
	}
	if pids, err := f.processes(cgroup); err != nil || len(pids) != 1 || pids[0] != sleeper.Process.Pid {
		t.Errorf("moved %v (%v), want %d", pids, err, sleeper.Process.Pid)
	}
}

func TestSwapOfVersion2(t *testing.T) {
	root := t.TempDir()
	for _, step := range []struct {
		file  string
		swaps bool
	}{{"cgroup.procs", true}, {"system.slice/memory.max", false}, {"system.slice/memory.swap.max", true}} {
		path := filepath.Join(root, step.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := countsSwap(root, true); got != step.swaps {
			t.Errorf("with %s swap counts: %v", step.file, got)
		}
	}
}
