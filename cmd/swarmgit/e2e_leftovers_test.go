package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
)

// inContainerd calls f with a client of the cluster's containerd.
func (c *realCluster) inContainerd(t testing.TB, f func(context.Context, *client.Client) error) {
	t.Helper()
	managed, err := c.managed()
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(managed.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := f(namespaces.WithNamespace(t.Context(), containerd.DefaultNamespace), cl); err != nil {
		t.Fatal(err)
	}
}

// containersRunning maps the tasks that containerd runs to their processes.
func (c *realCluster) containersRunning(t testing.TB) map[string]uint32 {
	t.Helper()
	running := map[string]uint32{}
	c.inContainerd(t, func(ctx context.Context, cl *client.Client) error {
		reply, err := cl.TaskService().List(ctx, &tasksapi.ListTasksRequest{})
		if err != nil {
			return err
		}
		for _, p := range reply.Tasks {
			if p.Status == task.Status_RUNNING {
				running[p.ID] = p.Pid
			}
		}
		return nil
	})
	return running
}

// leftovers lists all that the tasks with these IDs have left anywhere: in
// containerd, in the kernel, on disk.
func (c *realCluster) leftovers(t testing.TB, ids []string) (found []string) {
	t.Helper()
	note := func(kind, name string) {
		if namesOne(name, ids) {
			found = append(found, kind+" "+name)
		}
	}
	c.inContainerd(t, func(ctx context.Context, cl *client.Client) error {
		records, err := cl.ContainerService().List(ctx)
		if err != nil {
			return err
		}
		for _, r := range records {
			note("container", r.ID)
		}
		leases, err := cl.LeasesService().List(ctx)
		if err != nil {
			return err
		}
		for _, l := range leases {
			found = append(found, "lease "+l.ID)
		}
		for _, snapshotter := range []string{"overlayfs", "native"} {
			err := cl.SnapshotService(snapshotter).Walk(ctx, func(_ context.Context, info snapshots.Info) error {
				note("snapshot", info.Name)
				return nil
			})
			if err != nil && !strings.Contains(err.Error(), "not found") {
				return err
			}
		}
		return nil
	})
	return append(found, machineLeftovers(t, ids, c.path("data"), "/run/swarmgit")...)
}

// namesOne reports whether a text holds one of the IDs.
func namesOne(text string, ids []string) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(text, id) })
}

// machineLeftovers is leftovers without what containerd says, with the files below
// these directories.
func machineLeftovers(t testing.TB, ids []string, dirs ...string) (found []string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if namesOne(line, ids) {
			found = append(found, "mount "+strings.TrimSpace(line))
		}
	}
	for _, root := range append(dirs, "/sys/fs/cgroup") {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && namesOne(entry.Name(), ids) {
				found = append(found, "path "+path)
			}
			return nil // what goes away while we look is not left
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range processes {
		if text, err := os.ReadFile(path); err == nil && namesOne(string(text), ids) {
			found = append(found, "process "+strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

// processesOf are the processes of the tasks that run. Their numbers may be others' once
// they have ended.
func processesOf(t testing.TB, tasks []api.Task) (all []procfs.Process) {
	t.Helper()
	for _, task := range tasks {
		if task.State != specs.StateRunning {
			continue
		}
		found, err := procfs.LookUp(task.Seen.PID)
		if err != nil {
			t.Fatalf("the process of %s: %v", task.Name, err)
		}
		all = append(all, found.Process)
	}
	return all
}

// wantEnded wants none of these processes to live.
func wantEnded(t testing.TB, all []procfs.Process) {
	t.Helper()
	for _, p := range all {
		if p.Lives() {
			t.Errorf("process %d is still there: %q", p.PID, p.Arguments())
		}
	}
}

// TestNothingIsLeftOfARemovedStack looks for what tasks leave, after a life with
// an update in it.
func TestNothingIsLeftOfARemovedStack(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	c.push(t, shop("e2e/app:2", 2))
	var ids []string
	for _, task := range c.tasks(t) {
		if task.ServiceName == "shop_web" {
			ids = append(ids, task.ID)
		}
	}
	processes := processesOf(t, c.running(t))
	if len(ids) < 4 || len(c.leftovers(t, ids)) == 0 {
		t.Fatalf("the search finds nothing of %d tasks while they live", len(ids))
	}
	c.push(t, map[string]string{"stacks": ""})
	c.await(t, "nothing is left", func() bool { return len(c.leftovers(t, ids)) == 0 })
	wantEnded(t, processes)
	if out, _, _ := c.swarmgit("service", "ls"); strings.Contains(out, "shop_") {
		t.Errorf("service ls after the removal:\n%s", out)
	}
}

// shop is a stack of one service that is quick to update.
func shop(image string, replicas int) map[string]string {
	return map[string]string{"stacks/shop/stack.yml": strings.NewReplacer("IMAGE", image, "COUNT", string(rune('0'+replicas))).Replace(`services:
  web:
    image: IMAGE
    command: [count]
    deploy:
      replicas: COUNT
      update_config: {monitor: 100ms, parallelism: 0}
`)}
}

func TestContainersOutliveADaemonThatStops(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 3))
	before := c.running(t)
	if len(before) != 3 {
		t.Fatalf("%d tasks run", len(before))
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	if running := c.containersRunning(t); len(running) != 3 {
		t.Errorf("%d containers run without the daemon", len(running))
	}
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	if err := sameProcesses(before, c.running(t)); err != nil {
		t.Error(err)
	}
}

func TestDaemonEndStopsWhatOutlivesTheDaemon(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	before := c.running(t)
	processes := processesOf(t, before)
	if _, errs, code := c.swarmgit("daemon", "end", "--data-dir", c.path("data")); code != 1 || !strings.Contains(errs, "is in use by another daemon: stop that one") {
		t.Errorf("beside a live daemon it exits %d: %s", code, errs)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	out, errs, code := c.swarmgit("daemon", "end", "--data-dir", c.path("data"))
	if want := "ended: 2 tasks, the private containerd, the log keeper of " + c.path("data") + "; its data is kept\n"; code != 0 || out != want {
		t.Errorf("it exits %d: %s%s", code, out, errs)
	}
	if out, errs, code := c.swarmgit("daemon", "end", "--data-dir", c.path("data")); code != 0 || out != "nothing of "+c.path("data")+" runs; its data is kept\n" {
		t.Errorf("the second time it exits %d: %s%s", code, out, errs)
	}
	wantEnded(t, processes)
	if pid := c.containerdPID(t); pid != 0 {
		t.Errorf("containerd is still process %d", pid)
	}
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.await(t, "the tasks run anew", func() bool {
		after := c.running(t)
		return len(after) == 2 && after[0].ID != before[0].ID && after[1].ID != before[1].ID
	})
}

func TestContainersOutliveContainerd(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 3))
	before := c.running(t)
	pid := c.containerdPID(t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.await(t, "another containerd runs", func() bool {
		next := c.containerdPID(t)
		return next != 0 && next != pid
	})
	// A scale-up goes through the new containerd.
	c.push(t, shop("e2e/app:1", 4))
	after := c.running(t)
	if len(after) != 4 {
		t.Fatalf("%d tasks run", len(after))
	}
	if err := sameProcesses(before, after[:3]); err != nil {
		t.Error(err)
	}
	for _, task := range c.tasks(t) {
		if !task.Wanted() {
			t.Errorf("%s was replaced: %s", task.Name, task.Seen.Err)
		}
	}
}

// containerdPID finds the private containerd by its configuration file; 0 when
// none runs.
func (c *realCluster) containerdPID(t testing.TB) int {
	t.Helper()
	managed, err := c.managed()
	if err != nil {
		t.Fatal(err)
	}
	configuration := filepath.Join(filepath.Dir(managed.Socket()), "containerd.toml")
	all, err := procfs.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all { // what it is about to start has its command line, too, and no session
		if p.Session == p.PID && slices.Contains(p.Arguments(), configuration) {
			return p.PID
		}
	}
	return 0
}

func TestOutOfMemoryIsNamed(t *testing.T) {
	c := theCluster(t)
	c.push(t, map[string]string{"stacks/shop/stack.yml": `services:
  hungry:
    image: e2e/app:1
    command: [eat]
    deploy:
      restart_policy: {condition: none}
      resources: {limits: {memory: 16M}}
`}, "-o", "no-wait")
	c.await(t, "the task is out of memory", func() bool {
		out, _, _ := c.swarmgit("service", "ps", "--no-trunc", "shop_hungry")
		return strings.Contains(out, "Failed") && strings.Contains(out, "out of memory")
	})
}
