package containerd

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/typeurl/v2"
	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// watch lets the engine watch until the test ends.
func (b *bench) watch(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { _ = b.Watch(ctx) }) // it ends with ctx only
	t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
}

// container is a task as any client of containerd has it.
func (b *bench) container(t testing.TB, id string) (client.Container, client.Task) {
	t.Helper()
	c, err := b.client.LoadContainer(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	task, err := c.Task(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, task
}

// meddlings are what people and programs do to containers that are not theirs, and
// what Wait says of it: words, or the exit code.
var meddlings = map[string]struct {
	do    func(ctx context.Context, b *bench, c client.Container, task client.Task) error
	words string
	code  int
}{
	"killed": {code: 137, do: func(_ context.Context, _ *bench, _ client.Container, task client.Task) error {
		return syscall.Kill(int(task.Pid()), syscall.SIGKILL)
	}},
	"killed by a client": {code: 137, do: func(ctx context.Context, _ *bench, _ client.Container, task client.Task) error {
		return task.Kill(ctx, syscall.SIGKILL)
	}},
	"task deleted": {code: 137, do: func(ctx context.Context, _ *bench, _ client.Container, task client.Task) error {
		_, err := task.Delete(ctx, client.WithProcessKill)
		return err
	}},
	"paused": {words: "task: it was paused behind", do: func(ctx context.Context, _ *bench, _ client.Container, task client.Task) error {
		return task.Pause(ctx)
	}},
	"limits changed": {words: "task: its limits were changed (", do: func(ctx context.Context, _ *bench, _ client.Container, task client.Task) error {
		pids := int64(77)
		return task.Update(ctx, client.WithResources(&ocispec.LinuxResources{Pids: &ocispec.LinuxPids{Limit: &pids}}))
	}},
	"our label changed": {words: "task: its container was changed behind", do: func(ctx context.Context, _ *bench, c client.Container, _ client.Task) error {
		_, err := c.SetLabels(ctx, map[string]string{labelService: "another"})
		return err
	}},
	"our label removed": {words: "task: its container was changed behind", do: func(ctx context.Context, b *bench, c client.Container, _ client.Task) error {
		_, err := b.client.ContainerService().Update(ctx, containers.Container{ID: c.ID(), Labels: map[string]string{}}, "labels")
		return err
	}},
	"spec changed": {words: "task: its container was changed behind", do: func(ctx context.Context, _ *bench, c client.Container, _ client.Task) error {
		return c.Update(ctx, func(_ context.Context, _ *client.Client, r *containers.Container) (err error) {
			r.Spec, err = typeurl.MarshalAny(&ocispec.Spec{Version: ocispec.Version})
			return err
		})
	}},
	"container deleted": {words: "task: its container was deleted behind", do: func(ctx context.Context, b *bench, c client.Container, _ client.Task) error {
		return b.client.ContainerService().Delete(ctx, c.ID())
	}},
	"snapshot removed": {words: "task: its file system was removed behind", do: func(ctx context.Context, b *bench, c client.Container, _ client.Task) error {
		return b.client.SnapshotService(b.config.Snapshotter).Remove(ctx, c.ID())
	}},
}

// TestWaitTellsOfMeddling does each of the meddlings to a task that is waited for.
// Whatever was done, the task can be stopped and removed then.
func TestWaitTellsOfMeddling(t *testing.T) {
	b := newBench(t)
	b.watch(t)
	for name, m := range meddlings {
		t.Run(name, func(t *testing.T) {
			task := b.start(t, specs.TaskSpec{}, "sleep")
			container, running := b.container(t, task.ID)
			var began time.Time
			var meddling sync.WaitGroup
			meddling.Go(func() {
				for !b.watched.has(task.ID) {
					_ = bell.Sleep(t.Context(), time.Millisecond)
				}
				began = time.Now()
				if err := m.do(t.Context(), b, container, running); err != nil {
					t.Error(err)
				}
			})
			exit, err := b.Wait(t.Context(), task.ID)
			meddling.Wait()
			t.Logf("seen after %s: %v", time.Since(began).Round(time.Millisecond), err)
			b.expect(t, exit, err, m.words, m.code)
			b.endsAfterMeddling(t, task)
		})
	}
}

// TestWaitAfterTheContainerWasDeleted has nobody wait while it happens.
func TestWaitAfterTheContainerWasDeleted(t *testing.T) {
	b := newBench(t)
	task := b.start(t, specs.TaskSpec{}, "sleep")
	if err := b.client.ContainerService().Delete(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	exit, err := b.Wait(t.Context(), task.ID)
	b.expect(t, exit, err, errDeleted.Error(), 0)
	b.endsAfterMeddling(t, task)
}

func (b *bench) expect(t testing.TB, exit specs.Exit, err error, words string, code int) {
	t.Helper()
	switch {
	case words == "" && (err != nil || exit.Code != code):
		t.Errorf("Wait says %+v, %v; want code %d", exit, err, code)
	case words != "" && (err == nil || !strings.HasPrefix(err.Error(), words)):
		t.Errorf("Wait says %+v, %v; want %q", exit, err, words)
	}
}

// endsAfterMeddling stops and removes a task as the agent does.
func (b *bench) endsAfterMeddling(t testing.TB, task executor.Task) {
	t.Helper()
	if err := b.Stop(t.Context(), task.ID, time.Minute); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := b.Remove(t.Context(), task.ID); err != nil {
		t.Errorf("remove: %v", err)
	}
	for _, left := range leftovers(t, b.Engine) {
		if strings.Contains(left, task.ID) || strings.HasPrefix(left, "shim") || strings.HasPrefix(left, "lease") {
			t.Errorf("left: %s", left)
		}
	}
}

// TestWatchSeesWhatWasDoneBefore lets the meddling happen while nobody watches.
func TestWatchSeesWhatWasDoneBefore(t *testing.T) {
	b := newBench(t)
	tasks := map[string]executor.Task{}
	for name, m := range meddlings {
		if m.words == "" {
			continue // such an end is there whenever somebody asks
		}
		tasks[name] = b.start(t, specs.TaskSpec{}, "sleep")
		container, running := b.container(t, tasks[name].ID)
		if err := m.do(t.Context(), b, container, running); err != nil {
			t.Fatal(err)
		}
	}
	b.watch(t)
	for name, task := range tasks {
		t.Run(name, func(t *testing.T) {
			isOurs := func(f executor.Found) bool { return f.ID == task.ID }
			if slices.ContainsFunc(must(b.List(t.Context())), isOurs) { // else nobody would wait
				exit, err := b.Wait(t.Context(), task.ID)
				b.expect(t, exit, err, meddlings[name].words, 0)
			} else if name != "container deleted" && name != "our label removed" {
				t.Error("it is not listed")
			}
			if err := b.Stop(t.Context(), task.ID, time.Minute); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWatchLeavesOthersAlone does things to a container without our label, in our
// namespace, and puts a label of others on one of ours.
func TestWatchLeavesOthersAlone(t *testing.T) {
	b := newBench(t)
	b.watch(t)
	task := b.start(t, specs.TaskSpec{}, "sleep")
	stranger := b.unowned(specs.TaskSpec{Command: []string{"sleep"}})
	img, err := b.client.GetImage(t.Context(), must(normal(b.image)))
	if err != nil {
		t.Fatal(err)
	}
	container := must(b.client.NewContainer(t.Context(), stranger.ID, client.WithSnapshotter(b.config.Snapshotter),
		client.WithNewSnapshot(stranger.ID, img), client.WithNewSpec()))
	t.Cleanup(func() {
		if err := container.Delete(context.Background(), client.WithSnapshotCleanup); err != nil {
			t.Error(err)
		}
	})
	must(container.SetLabels(t.Context(), map[string]string{"owner": "somebody"}))
	ours, _ := b.container(t, task.ID)
	must(ours.SetLabels(t.Context(), map[string]string{"owner": "somebody"}))

	// What comes last is seen last.
	witness := b.start(t, specs.TaskSpec{}, "sleep")
	_, process := b.container(t, witness.ID)
	if err := process.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if exit, err := b.Wait(t.Context(), witness.ID); err == nil {
		t.Fatalf("the witness ended with %+v", exit)
	}
	b.watched.mu.Lock()
	notes := len(b.watched.notes)
	b.watched.mu.Unlock()
	if notes != 0 {
		t.Errorf("%d containers count as meddled with", notes)
	}
	found := must(b.List(t.Context()))
	if slices.ContainsFunc(found, func(f executor.Found) bool { return f.ID == stranger.ID }) {
		t.Error("a container of others counts as ours")
	}
	if p := must(b.tasks.Get(t.Context(), &tasksapi.GetRequest{ContainerID: task.ID})); p.Process.Status != tasktypes.Status_RUNNING {
		t.Errorf("the task is %s", p.Process.Status)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
