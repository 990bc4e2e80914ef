package containerd

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/mountinfo"

	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
	"github.com/swarmgit/swarmgit/runtime/procfs"
)

// A data directory may be a disk of its own: only what is mounted in it goes.
func TestTheDiskUnderTheDataStays(t *testing.T) {
	mountstest.NeedRoot(t)
	disk := t.TempDir()
	inside := filepath.Join(disk, "a", "b")
	mountstest.Mount(t, disk, "")
	if err := os.MkdirAll(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	mountstest.Mount(t, inside, "")
	if err := unmountBelow(disk); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{disk: true, inside: false} {
		if mounted, err := mountinfo.Mounted(path); err != nil || mounted != want {
			t.Errorf("%s mounted: %t, %v", path, mounted, err)
		}
	}
}

// The directory of all shims' sockets goes if it is nobody else's.
func TestDirectoryOfTheSockets(t *testing.T) {
	for name, tc := range map[string]struct {
		made  string // below the directory above it
		stays bool
	}{
		"nothing else":             {"s", false},
		"a socket":                 {"s/0783f5", true},
		"a containerd's own state": {"io.containerd.runtime.v2.task", true},
	} {
		above := filepath.Join(t.TempDir(), "containerd")
		for _, made := range []string{"s", tc.made} {
			if err := os.MkdirAll(filepath.Join(above, made), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		removeSockets(filepath.Join(above, "s"))
		if pathExists(filepath.Join(above, "s")) != tc.stays || pathExists(above) != tc.stays {
			t.Errorf("%s: it stays: %t", name, !tc.stays)
		}
	}
	for program, want := range map[string]bool{"/usr/bin/containerd": true, "containerd-shim-runc-v2": true, "/usr/bin/dockerd": false} {
		if isContainerd([]string{program, "--config", "x"}) != want {
			t.Errorf("%s is taken for a containerd: %t", program, !want)
		}
	}
}

// What cannot be unmounted is not deleted: it stays, is named, and goes when nobody
// uses it any more.
func TestShutdownRemovesNothingThroughAMount(t *testing.T) {
	m, _ := ownContainerd(t)
	disk := filepath.Join(m.state(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	mountstest.Mount(t, disk, "")
	used, err := os.Create(filepath.Join(disk, "used"))
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	ctx, cancel := withTimeout()
	defer cancel()
	err = m.Shutdown(ctx)
	for _, words := range []string{"unmount " + disk + ": device or resource busy", m.config.RunDir + " stays: something is still mounted at " + disk} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("it says %v, not %s", err, words)
		}
	}
	if _, err := os.Stat(used.Name()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(used.Close(), m.Shutdown(ctx)); err != nil || m.HasRun() {
		t.Errorf("when nobody uses it any more: %v, is there: %t", err, m.HasRun())
	}
}

// Whatever has a containerd's command line and is none, as what it is about to start,
// is not taken for it; of two containerds both are ended.
func TestNoContainerdIsLost(t *testing.T) {
	m, _ := ownContainerd(t)
	ctx, cancel := withTimeout()
	defer cancel()
	another := func(session bool) procfs.Process {
		t.Helper()
		cmd := exec.Command(m.binary, "--config", m.configPath()) // waits for the first one's files
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = cmd.Wait() }()
		t.Cleanup(func() {
			_ = cmd.Process.Kill() // it may have ended
			<-ended
		})
		found, err := procfs.LookUp(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return found.Process
	}
	child := another(false)
	if found, err := m.living(); err != nil || len(found) != 1 || found[0] != m.process {
		t.Errorf("found are %v, %v, it is %v", found, err, m.process)
	}
	if err := errors.Join(child.Signal(syscall.SIGKILL), child.Wait(ctx)); err != nil {
		t.Fatal(err)
	}
	second := another(true)
	t.Setenv("PATH", t.TempDir()) // its packages may have gone before it
	if err := m.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if m.process.Lives() || second.Lives() {
		t.Errorf("the containerd lives: %t, the second: %t", m.process.Lives(), second.Lives())
	}
}

// One whose directories somebody has removed is ended all the same.
func TestContainerdWithoutDirectoriesIsEnded(t *testing.T) {
	m, _ := ownContainerd(t)
	ctx, cancel := withTimeout()
	defer cancel()
	next, err := NewManaged(m.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(m.config.RunDir); err != nil {
		t.Fatal(err)
	}
	if !next.HasRun() {
		t.Error("it lives, and has not run")
	}
	if err := next.Shutdown(ctx); err != nil || m.process.Lives() {
		t.Errorf("%v; it lives: %t", err, m.process.Lives())
	}
}
