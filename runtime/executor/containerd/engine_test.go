package containerd

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/moby/sys/mountinfo"
	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
)

func TestEngineConforms(t *testing.T) {
	executortest.Run(t, func(t *testing.T) executortest.Harness {
		pipes := newPipes(t)
		engine := openEngine(t, pipes)
		image := loadTestImage(t, engine)
		commands := map[executortest.Program][]string{
			executortest.Sleeper:       {"sleep"},
			executortest.Deaf:          {"deaf"},
			executortest.ExitsWith7:    {"exit=7"},
			executortest.ExitsWhenTold: {"sleep"},
			executortest.LeavesOthers:  {"leave", "exit=0"},
		}
		return executortest.Harness{
			Executor: engine,
			Restart: func() executor.Executor {
				engine = openEngine(t, pipes)
				return engine
			},
			Spec: func(p executortest.Program) specs.TaskSpec {
				switch p {
				case executortest.MissingImage:
					return specs.TaskSpec{Image: "127.0.0.1:1/nosuch:1"}
				case executortest.MissingCommand:
					return specs.TaskSpec{Image: image, Entrypoint: []string{"nosuch"}}
				}
				return specs.TaskSpec{Image: image, Command: commands[p]}
			},
			Ready: func(id string) {
				last := specOf(t, engine, id).Process.Args
				if !strings.HasPrefix(last[len(last)-1], "exit=") {
					pipes.await(t, id, "ready")
				}
			},
			End: func(id string) {
				if err := engine.kill(t.Context(), id, syscall.SIGUSR1, false); err != nil {
					t.Error(err)
				}
			},
			Read:      func(id, path string) ([]byte, fs.FileMode, error) { return readAsTask(t, engine, id, path) },
			Command:   func(verbs ...string) []string { return append([]string{"program"}, verbs...) },
			Leftovers: func() []string { return append(leftovers(t, engine), pipes.open()...) },
		}
	})
}

// readAsTask reads a file as the process of a running task sees it.
func readAsTask(t testing.TB, e *Engine, id, path string) ([]byte, fs.FileMode, error) {
	t.Helper()
	pid, err := e.Start(t.Context(), id)
	if err != nil {
		return nil, 0, err
	}
	path = filepath.Join("/proc", fmt.Sprint(pid), "root", path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	content, err := os.ReadFile(path)
	return content, info.Mode().Perm(), err
}

// leftovers names everything that tasks leave somewhere.
func leftovers(t testing.TB, e *Engine) (left []string) {
	t.Helper()
	ctx := context.Background()
	note := func(kind string, names ...string) {
		for _, name := range names {
			left = append(left, kind+" "+name)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	records, err := e.client.ContainerService().List(ctx)
	must(err)
	for _, r := range records {
		note("container", r.ID)
	}
	must(e.client.SnapshotService(e.config.Snapshotter).Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		if info.Kind != snapshots.KindCommitted {
			note("snapshot", info.Name)
		}
		return nil
	}))
	leases, err := e.client.LeasesService().List(ctx)
	must(err)
	for _, l := range leases {
		note("lease", l.ID)
	}
	shims, err := procfs.Find(shared.managed.isShim)
	must(err)
	for _, shim := range shims {
		note("shim", fmt.Sprint(shim.PID))
	}
	mounts, err := mountinfo.GetMounts(nil)
	must(err)
	for _, m := range mounts {
		if strings.HasPrefix(m.Mountpoint, shared.managed.config.RunDir) || strings.HasPrefix(m.Mountpoint, shared.dir) {
			note("mount", m.Mountpoint)
		}
	}
	for kind, pattern := range map[string]string{
		"directory":  filepath.Join(e.config.Dir, "tasks", "*"),
		"scratch":    filepath.Join(e.config.Dir, "mnt", "*"),
		"command":    filepath.Join(e.config.Dir, "exec", "*"),
		"runc state": filepath.Join(e.config.RuncRoot, e.config.Namespace, "*"),
		"bundle":     filepath.Join(e.config.State, bundlesDir, e.config.Namespace, "*"),
		"old bundle": filepath.Join(e.config.State, bundlesDir, e.config.Namespace, ".*"),
	} {
		found, err := filepath.Glob(pattern)
		must(err)
		note(kind, found...)
	}
	for _, parent := range e.host.cgroups.Dirs(e.config.CgroupParent) {
		entries, err := os.ReadDir(parent)
		must(err)
		for _, entry := range entries {
			if entry.IsDir() {
				note("cgroup", filepath.Join(parent, entry.Name()))
			}
		}
	}
	return left
}

// specOf is what runc was told of a task.
func specOf(t testing.TB, e *Engine, id string) *ocispec.Spec {
	t.Helper()
	record, err := e.client.ContainerService().Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	var spec ocispec.Spec
	if err := json.Unmarshal(record.Spec.GetValue(), &spec); err != nil {
		t.Fatal(err)
	}
	return &spec
}
