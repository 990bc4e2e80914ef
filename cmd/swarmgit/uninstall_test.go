package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestMayUninstall(t *testing.T) {
	n := func(ids ...string) (known []wire.Manager) {
		for _, id := range ids {
			known = append(known, wire.Manager{NodeID: id, Addr: id + ":2377"})
		}
		return known
	}
	for name, tc := range map[string]struct {
		role     specs.Role
		known    []wire.Manager
		want     string // of the refusal; "" is none
		farewell string
	}{
		"the only manager":          {specs.Manager, n("me"), "", "the cluster ends with it"},
		"a manager that heard none": {specs.Manager, nil, "", "the cluster ends with it"},
		"one of two managers":       {specs.Manager, n("me", "a"), "one of 2 managers, and its vote would count as lost: 2 of 2 have to agree", "swarmgit node demote me\n  swarmgit node rm me"},
		"one of three managers":     {specs.Manager, n("a", "me", "b"), "one of 3 managers, and its vote would count as lost: 2 of 3 have to agree", "swarmgit node demote me"},
		"a worker":                  {specs.Worker, n("a"), "still a worker of its cluster", "swarmgit node rm me"},
		"a worker that heard none":  {specs.Worker, nil, "still a worker of its cluster", "swarmgit node rm me"},
	} {
		self := wire.Identity{NodeID: "me", Role: tc.role}
		err := mayUninstall(self, tc.known)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tc.want != "" && err == nil:
			t.Errorf("%s: is not refused", name)
		case tc.want != "":
			wantWords(t, err.Error(), "refused: ", tc.want, "swarmgit leave", "--force here goes all the same")
		}
		wantWords(t, farewellOf(self, tc.known), tc.farewell)
	}
}

// A directory named by a slip may hold names like ours: they are another's.
func TestOwnNames(t *testing.T) {
	all := []string{"containerd", "containerd.log", "first.json.bak", "first.json.new", "git", "identity", "lock", "photos", "settings.json", "volumes"}
	for name, tc := range map[string]struct {
		names        []string
		node, locked bool
		want         string
	}{
		"a node":                            {all, true, true, "containerd containerd.log first.json.new git identity lock settings.json"},
		"a node that has left":              {all, false, true, "containerd containerd.log lock"},
		"a lock beside another containerd":  {[]string{"containerd", "git", "lock", "logs"}, false, true, "lock"},
		"a directory that was never locked": {all, false, false, ""},
		"another's lock, which says more":   {[]string{"lock", "git"}, false, false, ""},
	} {
		if got := strings.Join(ownNames(tc.names, tc.node, tc.locked), " "); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestFindUnit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, unitName)
	for name, tc := range map[string]struct {
		text string
		ours bool
	}{
		"as printed":               {unit("/opt/my tools/swarmgit", "/srv/100%"), true},
		"edited":                   {"[Service]\nUser=ana\n" + unit("/bin/swarmgit", "/srv/100%"), true},
		"of another directory":     {unit("/bin/swarmgit", "/srv"), false},
		"of a directory within it": {unit("/bin/swarmgit", "/srv/100%/more"), false},
		"of something else":        {"[Service]\nExecStart=/bin/true \"/srv/100%%\"\n", false},
	} {
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := findUnit(dir, "/srv/100%")
		if err != nil || (got == path) != tc.ours {
			t.Errorf("%s: found %q, %v", name, got, err)
		}
	}
	if _, err := findUnit(t.TempDir(), "/srv"); err != nil {
		t.Error(err)
	}
}

// uninstall runs the command for the cluster's data directory.
func (c *realCluster) uninstall(args ...string) (stdout, stderr string, code int) {
	return c.swarmgit(append([]string{"daemon", "uninstall", "--data-dir", c.path("data")}, args...)...)
}

func TestUninstall(t *testing.T) {
	c := ownCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	var ids []string
	for _, task := range c.running(t) {
		ids = append(ids, task.ID)
	}
	_, errs, code := c.uninstall("--yes")
	if code != 1 || len(c.running(t)) != 2 {
		t.Errorf("beside a live daemon it exits %d", code)
	}
	wantWords(t, errs, "refused: the data directory", "is in use by another daemon", "swarmgit leave", "systemctl stop")
	managed, err := c.managed()
	if err != nil {
		t.Fatal(err)
	}
	pid := c.containerdPID(t)
	c.kill() // which leaves its socket
	mine := c.path("data/photos")
	if err := os.WriteFile(mine, []byte("of the operator's"), 0o600); err != nil {
		t.Fatal(err)
	}

	out, errs, code := c.uninstall()
	if code != 1 || len(c.containersRunning(t)) != 2 {
		t.Errorf("without an answer it exits %d", code)
	}
	wantWords(t, errs, "nothing was changed")
	wantWords(t, out, ids[0], ids[1], "log keeper", "containerd  ", "cgroup", "mount", "socket", "identity", "raft",
		"the cluster ends with it", mine+": not of swarmgit's making")

	if out, errs, code = c.uninstall("--yes", "--keep-data"); code != 0 {
		t.Fatalf("--keep-data exits %d: %s%s", code, out, errs)
	}
	wantWords(t, out, "uninstalled", "but its data, which is kept")
	out, _, _ = c.uninstall("--keep-data")
	wantWords(t, out, "nothing of swarmgit", "but its data, which is kept")
	if err := c.start(); err != nil { // the same node again
		t.Fatal(err)
	}
	c.await(t, "the tasks run anew", func() bool { return len(c.running(t)) == 2 })
	for _, task := range c.running(t) {
		ids = append(ids, task.ID)
	}
	c.kill()

	// Somebody who is killed in the middle has removed much, and not who it is.
	if err := os.RemoveAll(c.path("data/raft")); err != nil {
		t.Fatal(err)
	}
	if out, errs, code = c.uninstall("--yes"); code != 0 {
		t.Fatalf("exits %d: %s%s", code, out, errs)
	}
	wantWords(t, out, "uninstalled: nothing of swarmgit is left")
	left, err := os.ReadDir(c.path("data"))
	if err != nil || len(left) != 1 || left[0].Name() != "photos" {
		t.Errorf("the data directory holds %v, %v", left, err)
	}
	pieces, err := managed.Pieces()
	if err != nil || len(pieces) > 0 || c.containerdPID(t) != 0 {
		t.Errorf("%v is left of the private containerd (process %d), %v", pieces, pid, err)
	}
	if found := machineLeftovers(t, ids, c.path("data"), "/run/swarmgit"); len(found) > 0 {
		t.Errorf("it left %s", strings.Join(found, "\n"))
	}
	if _, err := os.Lstat(c.path("sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	out, errs, code = c.uninstall("--yes")
	if code != 0 || !strings.HasPrefix(out, "nothing of swarmgit is on this machine") {
		t.Errorf("again it exits %d: %s%s", code, out, errs)
	}
}

// What somebody who removes the data directory himself leaves is found by its name.
func TestUninstallWithoutTheData(t *testing.T) {
	c := ownCluster(t)
	c.push(t, shop("e2e/app:1", 1))
	c.vanish(t)
	managed, err := c.managed()
	if err != nil {
		t.Fatal(err)
	}
	if pieces, err := managed.Pieces(); err != nil || len(pieces) < 4 {
		t.Errorf("of a private containerd that runs a task there is %v, %v", pieces, err)
	}
	do(t, c.until("all is removed that is not in use", func() (bool, error) { // containerd writes meanwhile
		err := os.RemoveAll(c.path("data"))
		return err == nil || strings.Contains(err.Error(), "busy"), nil
	}))
	if out, errs, code := c.uninstall("--yes"); code != 0 {
		t.Fatalf("exits %d: %s%s", code, out, errs)
	}
	if pieces, err := managed.Pieces(); err != nil || len(pieces) > 0 {
		t.Errorf("%v is left, %v", pieces, err)
	}
	if _, err := os.Lstat(c.path("data")); !os.IsNotExist(err) {
		t.Errorf("the data directory: %v", err)
	}
}

// What somebody has mounted in the data directory is not deleted.
func TestUninstallRemovesNothingThroughAMount(t *testing.T) {
	needRoot(t)
	u := &uninstall{dataDir: t.TempDir()}
	disk := filepath.Join(u.dataDir, "executor", "mnt", "disk")
	if err := os.MkdirAll(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	mountstest.Mount(t, disk, "")
	kept := filepath.Join(disk, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found := holdings{data: []string{"executor", identityName}}
	if err := u.removeData(found); err == nil || !strings.Contains(err.Error(), "still mounted at "+disk) {
		t.Errorf("it says %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Unmount(disk, 0), u.removeData(found)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(u.dataDir); !os.IsNotExist(err) {
		t.Errorf("unmounted, it stays: %v", err)
	}
}

// In a containerd of somebody else only our containers go.
func TestUninstallFromTheContainerdOfAnother(t *testing.T) {
	needRoot(t)
	dir, err := os.MkdirTemp("", "swarmgit-another-")
	if err != nil {
		t.Fatal(err)
	}
	another, err := containerd.NewManaged(containerd.ManagedConfig{DataDir: dir, Log: quietLog()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(another.Shutdown(context.Background()), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	if err := another.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(another.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	theirs, ours := namespaces.WithNamespace(t.Context(), "theirs"), namespaces.WithNamespace(t.Context(), containerd.DefaultNamespace)
	for _, ctx := range []context.Context{theirs, ours} {
		record := containers.Container{ID: "not-of-swarmgit", Runtime: containers.RuntimeInfo{Name: "none"}, Spec: &anypb.Any{}}
		if _, err := cl.ContainerService().Create(ctx, record); err != nil {
			t.Fatal(err)
		}
	}

	c := processCluster(t)
	c.flags = []string{"--init", "--listen", "127.0.0.1:0", "--containerd", another.Socket()}
	if err := errors.Join(c.start(), c.loadImages()); err != nil {
		t.Fatal(err)
	}
	c.reset(t)
	c.push(t, shop("e2e/app:1", 2))
	var ids []string
	for _, task := range c.running(t) {
		ids = append(ids, task.ID)
	}
	c.kill()
	out, errs, code := c.uninstall("--yes")
	if code != 0 {
		t.Fatalf("exits %d: %s%s", code, out, errs)
	}
	wantWords(t, out, ids[0]+" in the containerd at "+another.Socket(), "images in the containerd at "+another.Socket(), "uninstalled")
	for _, ctx := range []context.Context{theirs, ours} {
		left, err := cl.ContainerService().List(ctx)
		if err != nil || len(left) != 1 || left[0].ID != "not-of-swarmgit" {
			t.Errorf("the containers %+v are left, %v", left, err)
		}
	}
	if found := machineLeftovers(t, ids, dir, "/run/swarmgit"); len(ids) != 2 || len(found) > 0 {
		t.Errorf("of %v it left %s", ids, strings.Join(found, "\n"))
	}
}

func TestUninstallProcesses(t *testing.T) {
	c := processCluster(t)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.reset(t)
	c.push(t, map[string]string{"stacks/shop/stack.yml": "services: {web: {runtime: process, command: [sleep, infinity]}}"})
	task, processes := c.running(t)[0], processesOf(t, c.running(t))
	c.kill()
	keeper, lives := newNodeLogs(c.path("data"), quietLog()).Living()
	if !lives {
		t.Error("no log keeper lives")
	}
	out, errs, code := c.uninstall("--yes")
	if code != 0 {
		t.Fatalf("exits %d: %s%s", code, out, errs)
	}
	wantWords(t, out, fmt.Sprintf("%s (process %d)", task.ID, task.Seen.PID), fmt.Sprintf("process %d", keeper.PID), "uninstalled")
	wantEnded(t, append(processes, keeper))
	if found := machineLeftovers(t, []string{task.ID}, c.dir); len(found) > 0 {
		t.Errorf("it left %s", strings.Join(found, "\n"))
	}
	if _, err := os.Lstat(c.path("data")); !os.IsNotExist(err) {
		t.Errorf("the data directory: %v", err)
	}
}

func TestUninstallWithoutRoot(t *testing.T) {
	out := asNobody(t, nil, "-test.v", "-test.run", "^TestUninstallProcesses$")
	wantWords(t, out, "--- PASS: TestUninstallProcesses")
}
