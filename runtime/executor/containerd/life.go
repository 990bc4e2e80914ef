package containerd

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"syscall"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/moby/sys/signal"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// Start lets the created process run its program.
func (e *Engine) Start(ctx context.Context, id string) (int, error) {
	started, err := e.tasks.Start(ctx, &tasksapi.StartRequest{ContainerID: id})
	if err == nil {
		return int(started.Pid), nil
	}
	process, getErr := e.process(ctx, id)
	switch {
	case getErr != nil:
		return 0, getErr
	case process.Status == tasktypes.Status_RUNNING:
		return int(process.Pid), nil
	case process.Status == tasktypes.Status_STOPPED && process.ExitStatus != startFailed:
		return 0, fmt.Errorf("start: the task has ended with code %d and never runs twice", process.ExitStatus)
	}
	return 0, failure(ctx, "start", err)
}

// startFailed is the exit status of a process that never ran its program.
const startFailed = 255

// process is what containerd knows of a task's process, errMute if it cannot say.
func (e *Engine) process(ctx context.Context, id string) (*tasktypes.Process, error) {
	found, err := e.tasks.Get(ctx, &tasksapi.GetRequest{ContainerID: id})
	switch {
	case err == nil && found.Process.Status == tasktypes.Status_UNKNOWN, ctx.Err() == nil && late(err):
		return nil, fmt.Errorf("look at task %s: %w", id, errMute)
	case err == nil:
		return found.Process, nil
	case gone(err):
		return nil, noProcess(id)
	}
	return nil, failure(ctx, "look at task "+id, err)
}

// Wait waits for the end of the process and of everything it has written, unless
// Watch finds that something was done to the task.
func (e *Engine) Wait(ctx context.Context, id string) (specs.Exit, error) {
	// Without ctx's deadline, of which containerd would be told: its answer that it has
	// passed can come before it has passed here.
	untouched, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(nil) })()
	defer e.watched.add(id, wait{cancel, e.keptLimits(id)})()
	ended, err := e.tasks.Wait(untouched, &tasksapi.WaitRequest{ContainerID: id})
	if err := tamperedWith(untouched); err != nil && ended == nil {
		return specs.Exit{}, err
	}
	if gone(err) {
		return specs.Exit{}, e.whyGone(ctx, id)
	}
	if err != nil {
		return specs.Exit{}, failure(ctx, "task", err)
	}
	e.finish(ctx, id)
	return e.exit(id, ended.ExitStatus), nil
}

// finish returns once the log of an ended task is whole.
func (e *Engine) finish(ctx context.Context, id string) {
	if e.config.Logs == nil {
		return
	}
	if err := e.config.Logs.Finish(ctx, id); err != nil {
		e.log.WarnContext(ctx, "a task's last output may be lost", "task", id, "err", err)
	}
}

func noProcess(id string) error {
	return fmt.Errorf("task %s has no process here: %w", id, executor.ErrNotFound)
}

// whyGone says why containerd knows no process of a task.
func (e *Engine) whyGone(ctx context.Context, id string) error {
	switch forgotten, err := e.forgotten(ctx, id); {
	case err != nil:
		return failure(ctx, "task", err)
	case forgotten:
		return errDeleted
	}
	return noProcess(id)
}

// exit adds to an exit code whether the memory limit was its cause: the task's
// cgroup remembers that until the task is removed.
func (e *Engine) exit(id string, code uint32) specs.Exit {
	exit := specs.Exit{Code: int(code)}
	if code != 0 {
		kills, err := e.host.cgroups.OOMKills(e.cgroup(id))
		if err != nil {
			e.log.Warn("cannot tell whether a task ran out of memory", "task", id, "err", err)
		}
		exit.OOM = kills > 0
	}
	return exit
}

// Stop asks the process to end and kills it and all that it has started when
// grace is over.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	process, err := e.process(ctx, id)
	if isGone(err) {
		if adopted, err := e.adopt(ctx, id); err != nil || !adopted {
			return failed(ctx, "take over task "+id, err)
		}
		process, err = e.process(ctx, id)
	}
	if isGone(err) || err == nil && process.Status != tasktypes.Status_RUNNING && process.Status != tasktypes.Status_PAUSED {
		return nil
	}
	if err != nil {
		return err
	}
	sig, err := e.signalOf(ctx, id)
	if err != nil {
		return err
	}
	if process.Status == tasktypes.Status_PAUSED {
		if err := e.resume(ctx, id); err != nil {
			return err
		}
	}
	if err := e.kill(ctx, id, sig, false); err != nil {
		return err
	}
	// Not a deadline: containerd would be told of it, and its answer that it has
	// passed can come before it has passed here.
	patience, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(grace, cancel).Stop()
	if _, err = e.tasks.Wait(patience, &tasksapi.WaitRequest{ContainerID: id}); err == nil || gone(err) {
		return nil
	}
	if patience.Err() == nil || ctx.Err() != nil {
		return failure(ctx, "wait for the end of task "+id, err)
	}
	return e.killAndWait(ctx, id)
}

// killAndWait ends a process, whatever its state, with all that it has started.
func (e *Engine) killAndWait(ctx context.Context, id string) error {
	if err := e.kill(ctx, id, syscall.SIGKILL, true); err != nil {
		return err
	}
	if _, err := e.tasks.Wait(ctx, &tasksapi.WaitRequest{ContainerID: id}); err != nil && !gone(err) {
		return failure(ctx, "wait for the end of task "+id, err)
	}
	return nil
}

// kill sends a signal; it is no error if nobody is there to get it.
func (e *Engine) kill(ctx context.Context, id string, sig syscall.Signal, all bool) error {
	_, err := e.tasks.Kill(ctx, &tasksapi.KillRequest{ContainerID: id, Signal: uint32(sig), All: all})
	if err != nil && !gone(err) {
		return failure(ctx, fmt.Sprintf("send %s to task %s", sig, id), err)
	}
	return nil
}

// signalOf is the stop signal that the task was prepared with, or the usual one if
// its record does not tell any more.
func (e *Engine) signalOf(ctx context.Context, id string) (syscall.Signal, error) {
	record, err := e.client.ContainerService().Get(ctx, id)
	if err != nil {
		return 0, failure(ctx, "look up the stop signal of task "+id, err)
	}
	number, err := strconv.Atoi(record.Labels[labelSignal])
	if err != nil {
		return syscall.SIGTERM, nil
	}
	return syscall.Signal(number), nil
}

// stopSignal is the task's, else the image's, else SIGTERM.
func stopSignal(task, image string) (syscall.Signal, error) {
	name := cmp.Or(task, image, "SIGTERM")
	sig, err := signal.ParseSignal(name)
	if err != nil {
		return 0, fmt.Errorf("stop signal %q is not known", name)
	}
	return sig, nil
}
