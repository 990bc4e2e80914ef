package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

func isGone(err error) bool { return errors.Is(err, executor.ErrNotFound) }

// Remove takes away the task. Its log, which is finished then, stays: the agent
// removes it when the task is forgotten.
func (e *Engine) Remove(ctx context.Context, id string) error {
	deadline := time.Now().Add(undoTime)
	err := e.discard(ctx, id)
	for shimKilled(err) && time.Now().Before(deadline) && bell.Sleep(ctx, undoPause) == nil {
		err = e.discard(ctx, id) // containerd clears up after the shim meanwhile
	}
	if err != nil {
		return failure(ctx, "remove task "+id, err)
	}
	e.finish(ctx, id) // nobody waited for the end of one that never ran, or ended unseen
	e.watched.forget(id)
	return nil
}

// discard takes away everything that create makes, the container's record last,
// so that what a crash leaves is still listed.
func (e *Engine) discard(ctx context.Context, id string) error {
	if err := e.discardProcess(ctx, id); err != nil {
		return err
	}
	err := e.client.SnapshotService(e.config.Snapshotter).Remove(ctx, id)
	if err != nil && !gone(err) {
		return err
	}
	// A daemon that is killed while runc makes a process leaves one that
	// containerd does not know.
	if err := e.host.cgroups.Clear(ctx, e.cgroup(id)); err != nil {
		return err
	}
	e.clearBundles(ctx, id)
	if err := os.RemoveAll(e.dir(id)); err != nil {
		return err
	}
	if err := e.client.ContainerService().Delete(ctx, id); err != nil && !gone(err) {
		return err
	}
	return nil
}

// discardProcess ends the process and its shim. A created process is killed
// before it is deleted: containerd would wait 2 s for its output otherwise.
func (e *Engine) discardProcess(ctx context.Context, id string) error {
	if _, err := e.adopt(ctx, id); err != nil {
		return err
	}
	if err := e.killAndWait(ctx, id); err != nil {
		return err
	}
	_, err := e.tasks.Delete(ctx, &tasksapi.DeleteTaskRequest{ContainerID: id})
	if err != nil && gone(err) {
		return e.endStrayShims(ctx, id)
	}
	return err
}

// endStrayShims kills the shims of a task of which containerd knows none. A creation
// that is abandoned may leave one that waits for ever for a reader of its log, and the
// task's next creation would wait for that.
func (e *Engine) endStrayShims(ctx context.Context, id string) error {
	shims, err := procfs.Find(func(args []string) bool { return servesTask(args, e.config.Namespace, id) })
	if err != nil {
		return fmt.Errorf("look for shims of task %s: %w", id, err)
	}
	for _, shim := range shims {
		if err := errors.Join(shim.Signal(syscall.SIGKILL), shim.Wait(ctx)); err != nil {
			return fmt.Errorf("end the shim of task %s, process %d: %w", id, shim.PID, err)
		}
	}
	return nil
}

// servesTask reports whether a command line is that of a task's shim: one that starts
// it or clears up after it says so last.
func servesTask(args []string, namespace, id string) bool {
	return isShimProgram(args) && valueOf(args, "-namespace") == namespace && valueOf(args, "-id") == id &&
		!slices.Contains([]string{"start", "delete"}, args[len(args)-1])
}

// List returns our tasks, sorted by ID.
func (e *Engine) List(ctx context.Context) ([]executor.Found, error) {
	records, err := e.records(ctx, fmt.Sprintf("labels.%q", labelTask))
	if err != nil {
		return nil, failure(ctx, "list containers", err)
	}
	running, err := e.tasks.List(ctx, &tasksapi.ListTasksRequest{})
	if err != nil {
		return nil, failure(ctx, "list processes", err)
	}
	processes := map[string]*tasktypes.Process{}
	for _, p := range running.Tasks {
		processes[p.ID] = p
	}
	found := make([]executor.Found, 0, len(records))
	for _, r := range records {
		f, err := e.found(ctx, r.ID, processes[r.ID])
		if err != nil {
			return nil, err
		}
		f.ServiceName = r.Labels[labelService]
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b executor.Found) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}

// found is a task with its process. Where containerd's list has none its shim may
// only be mute: that the process is gone containerd says when it is asked for it.
func (e *Engine) found(ctx context.Context, id string, p *tasktypes.Process) (executor.Found, error) {
	f := executor.Found{ID: id, Phase: executor.Preparing}
	var err error
	if p.GetStatus() == tasktypes.Status_UNKNOWN {
		p, err = e.process(ctx, id)
	}
	switch {
	case errors.Is(err, errMute):
		f.Phase = executor.Mute
		return f, nil
	case err != nil && !isGone(err):
		return f, err
	}
	switch p.GetStatus() {
	case tasktypes.Status_CREATED:
		f.Phase = executor.Prepared
	case tasktypes.Status_RUNNING, tasktypes.Status_PAUSED, tasktypes.Status_PAUSING:
		f.Phase, f.PID = executor.Running, int(p.Pid)
	case tasktypes.Status_STOPPED:
		f.Phase, f.Exit = executor.Exited, e.exit(id, p.ExitStatus)
	}
	return f, nil
}
