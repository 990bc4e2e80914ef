package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const ownVariable = "SWARMGIT_TEST_DELEGATED" // the root of version 2 for TestDelegated

// hierarchy2 is where version 2 is mounted, alone or beside version 1.
func hierarchy2(t *testing.T) FS {
	for _, root := range []string{Root, filepath.Join(Root, "unified")} {
		if f := Find(root); f.Unified {
			return f
		}
	}
	t.Skip("there is no cgroup of version 2 here")
	return FS{}
}

// A daemon that is not root makes its tasks' cgroups in the one that was
// delegated to it, and ends what lives there.
func TestDelegated(t *testing.T) {
	if root := os.Getenv(ownVariable); root != "" {
		inDelegated(t, Find(root))
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root delegates")
	}
	f := hierarchy2(t)
	const nobody = 65534
	dir, err := os.MkdirTemp(f.Root, "swarmgit-test-")
	if err != nil {
		t.Skipf("no cgroup can be made: %v", err)
	}
	defer func() {
		if err := f.Remove("/" + filepath.Base(dir)); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	place, err := os.MkdirTemp("", "cgroup-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(place)
	text, err := os.ReadFile(os.Args[0])
	binary := filepath.Join(place, "cgroup.test")
	if err := errors.Join(err, os.Chmod(place, 0o755), os.WriteFile(binary, text, 0o755)); err != nil {
		t.Fatal(err)
	}
	group, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^TestDelegated$", "-test.v")
	cmd.Dir, cmd.Env = "/", []string{ownVariable + "=" + f.Root, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		UseCgroupFD: true, CgroupFD: int(group.Fd()),
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v:\n%s", err, out)
	}
}

func inDelegated(t *testing.T, f FS) {
	own := func() string {
		text, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before, home := own(), f.Home("/swarmgit/tasks")
	if now := own(); now != before {
		t.Errorf("who only asks where tasks live is moved from %s to %s", before, now)
	}
	if settled := f.Settle("/swarmgit/tasks"); settled != home {
		t.Errorf("settled at %s, not %s", settled, home)
	}
	if !strings.HasPrefix(home, "/swarmgit-test-") || filepath.Base(home) != "tasks" {
		t.Fatalf("home is %s", home)
	}
	if again := f.Settle("/swarmgit/tasks"); again != home {
		t.Errorf("home of the next daemon is %s, not %s", again, home)
	}
	task := filepath.Join(home, "a")
	made := f.Make(task, limits)
	if len(made.Procs) != 1 {
		t.Fatalf("%+v", made)
	}
	sleeper := exec.Command("sh", "-c", `echo 0 > "$0" && exec sleep 1000`, made.Procs[0])
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- sleeper.Wait() }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if pids, err := f.processes(task); err != nil || len(pids) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the process never joined")
		}
	}
	if err := f.Clear(t.Context(), task); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("the process ended with %v", err)
	}
}
