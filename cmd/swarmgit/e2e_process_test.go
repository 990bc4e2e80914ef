package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without any rights.
const nobody = 65534

// asNobody runs the test binary as a user without rights, in a home of its own.
func asNobody(t *testing.T, env []string, args ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	dir, err := os.MkdirTemp("", "swarmgit-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	home, binary := filepath.Join(dir, "home"), filepath.Join(dir, "swarmgit.test")
	if err := errors.Join(os.Chmod(dir, 0o755), copyProgram(binary, executable()), os.Mkdir(home, 0o700), os.Chown(home, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir, cmd.Env = home, append(env, "PATH="+os.Getenv("PATH"), "HOME="+home, "TMPDIR="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("%v is left in the home, %v", left, err)
	}
	return string(out)
}

func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// The demo shows the same to somebody without root, with processes.
func TestDemoWithoutRoot(t *testing.T) {
	out := asNobody(t, []string{asSwarmgit + "=1"}, "demo")
	wantWords(t, out, "no containers here: containers need root", "(runtime: process)", "the memory limit of 32M is not enforced on this node",
		"the same 5 processes run, with the same process IDs", "all 9 steps in", "cleaned up: nothing of the demo is left")
}

func TestProcessesWithoutRoot(t *testing.T) {
	out := asNobody(t, nil, "-test.v", "-test.run", "^(TestProcesses|TestSecretsAndConfigsOfProcesses)$")
	wantWords(t, out, "--- PASS: TestProcesses", "--- PASS: TestSecretsAndConfigsOfProcesses")
}

// A node that runs processes only: what it cannot run stays pending in words, and
// the exit of a task that ends while no daemon runs is known to the next one.
// processCluster is a daemon of root, not started yet, whose tasks are processes.
func processCluster(t *testing.T) *realCluster {
	t.Helper()
	c := &realCluster{flags: []string{"--init", "--listen", "127.0.0.1:0", "--executor", "process"}}
	var err error
	if c.dir, err = os.MkdirTemp("", "swarmgit-e2e-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.end(); err != nil {
			t.Error(err)
		}
	})
	c.tellOnFailure(t)
	if c.http, err = freePort(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestProcesses(t *testing.T) {
	c := processCluster(t)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.reset(t)
	end := c.path("end")
	c.push(t, map[string]string{"stacks/shop/stack.yml": fmt.Sprintf(`services:
  once:
    runtime: process
    command: [sh, -c, "echo begun; while [ ! -e %s ]; do sleep 0.05; done; echo over; exit 7"]
    deploy: {restart_policy: {condition: none}}
  contained:
    image: e2e/app:1
`, end)}, "-o", "no-wait")
	c.await(t, "the process runs", func() bool { return len(c.running(t)) == 1 })
	ps, _, _ := c.swarmgit("service", "ps", "--no-trunc", "shop_contained")
	wantWords(t, ps, "Pending", "no suitable node (cannot run containers on 1 node)")
	if _, errs, code := c.swarmgit("image", "ls"); code != 1 || !strings.Contains(errs, "this node's executor has no images") {
		t.Errorf("image ls exits %d: %s", code, errs)
	}
	process := processesOf(t, c.running(t))[0]
	c.kill()
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.until("the process has ended", func() (bool, error) { return !process.Lives(), nil }); err != nil {
		t.Fatal(err)
	}
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.await(t, "its exit is told", func() bool {
		ps, _, _ := c.swarmgit("service", "ps", "--no-trunc", "shop_once")
		return strings.Contains(ps, "task: non-zero exit (7)")
	})
	logs, _, _ := c.swarmgit("service", "logs", "shop_once")
	wantWords(t, logs, "begun", "over")
}
