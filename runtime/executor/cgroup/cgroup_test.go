package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
	"github.com/swarmgit/swarmgit/specs"
)

func TestUnifiedCgroups(t *testing.T) {
	root := t.TempDir()
	groups := FS{Root: root, Unified: true}
	dir := filepath.Join(root, "swarmgit", "a", "task")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, want := groups.File("memory", "/swarmgit/a/task", "memory.max"), filepath.Join(dir, "memory.max"); got != want {
		t.Errorf("file %s, want %s", got, want)
	}
	events := "low 0\nhigh 0\nmax 9\noom 2\noom_kill 3\noom_group_kill 0\n"
	if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte(events), 0o644); err != nil {
		t.Fatal(err)
	}
	if kills, err := groups.OOMKills("/swarmgit/a/task"); err != nil || kills != 3 {
		t.Errorf("%d kills, %v, want 3", kills, err)
	}
	if kills, err := groups.OOMKills("/swarmgit/gone"); err != nil || kills != 0 {
		t.Errorf("%d kills in a cgroup that is gone, %v", kills, err)
	}
	if diff := cmp.Diff([]string{filepath.Join(root, "swarmgit/a")}, groups.Dirs("/swarmgit/a")); diff != "" {
		t.Error(diff)
	}
}

// TestBusyCgroupIsNotFinal cannot remove a cgroup, whose place here takes a
// mount point: nothing is wrong with the task.
func TestBusyCgroupIsNotFinal(t *testing.T) {
	mountstest.NeedRoot(t)
	root := t.TempDir()
	dir := filepath.Join(root, "swarmgit", "task")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mountstest.Mount(t, dir, "")
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		err := FS{Root: root, Unified: true}.Clear(t.Context(), "/swarmgit/task")
		if !errors.Is(err, executor.ErrTemporary) || strings.Contains(err.Error(), "\n") || time.Since(begun) != clearTime {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
}

var limits = specs.Limits{CPUs: 250_000_000, Memory: 64 << 20, Pids: 50}

// Limits are written as the kernel's documentation has them, and what cannot be
// written is named.
func TestLimitsOfVersion2(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "swarmgit", "task")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"memory.max", "memory.swap.max", "cpu.max"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	made := FS{Root: root, Unified: true}.Make("/swarmgit/task", limits)
	got := map[string]string{}
	for _, name := range []string{"memory.max", "memory.swap.max", "cpu.max"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(text)
	}
	want := map[string]string{"memory.max": "67108864", "memory.swap.max": "67108864", "cpu.max": "25000 100000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	refused := []string{"the limit of 50 processes is not enforced on this node: its kernel offers no such controller to the daemon"}
	if diff := cmp.Diff(Made{Procs: []string{filepath.Join(dir, "cgroup.procs")}, Refused: refused}, made); diff != "" {
		t.Error(diff)
	}
}

func TestTinyShareOfACPU(t *testing.T) {
	if quota, period := Quota(1_000_000); quota != 1000 || period != 1_000_000 {
		t.Errorf("0.001 CPU is %d of %d microseconds", quota, period)
	}
}

// A process of another PID namespace reads as 0, which kill takes for the group
// of who calls: it would end the daemon.
func TestProcessesOfOtherNamespacesAreNotKilled(t *testing.T) {
	groups := FS{Root: t.TempDir(), Unified: true}
	inside := filepath.Join(groups.Root, "swarmgit", "task")
	if err := os.MkdirAll(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(inside, "cgroup.procs"), []byte("0\n812\n0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pids, err := groups.processes("swarmgit"); err != nil || !slices.Equal(pids, []int{812}) {
		t.Errorf("got %v (%v), want 812 alone", pids, err)
	}
}
