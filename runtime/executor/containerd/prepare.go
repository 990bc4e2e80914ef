package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/typeurl/v2"
	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// Labels of our containers. labelTask marks them as ours.
const (
	labelTask    = "swarmgit.task"
	labelName    = "swarmgit.task.name"
	labelService = "swarmgit.service"
	labelStack   = "swarmgit.stack"
	labelSignal  = "swarmgit.stop-signal"
	labelSum     = "swarmgit.sum" // of what the record was made as
)

const runtimeName = "io.containerd.runc.v2"

// Prepare makes the task up to a process that waits for its start: runc has
// created it, only its program does not run yet. A disk that is full says nothing
// about the task.
func (e *Engine) Prepare(ctx context.Context, task executor.Task, progress func(string)) error {
	return untilRoom(e.prepare(ctx, task, progress))
}

func (e *Engine) prepare(ctx context.Context, task executor.Task, progress func(string)) error {
	defer e.hold(task)()
	img, err := e.image(ctx, task, progress)
	if err != nil {
		return err
	}
	err = e.create(ctx, task, img)
	if exists(err) {
		err = e.prepareAgain(ctx, task, img)
	}
	if errors.Is(err, errNoLayers) {
		e.forget(img)
		if img, err = e.image(ctx, task, progress); err != nil {
			return err
		}
		err = e.prepareAgain(ctx, task, img)
	}
	if err != nil {
		return failure(ctx, "prepare", covered(task.Spec, err))
	}
	return nil
}

// errNoLayers says that an image's layers are gone since they were unpacked.
var errNoLayers = errors.New("the image's layers were removed meanwhile")

// prepareAgain keeps a task that is whole and makes one that is half made anew.
//
// Who made it half may have been a daemon that was killed. containerd then undoes
// the creation in its own time, says nothing of it meanwhile, and takes away files
// of the next one with the same name: so a creation counts as refused only when
// that time is over.
func (e *Engine) prepareAgain(ctx context.Context, task executor.Task, img *image) error {
	deadline, cleared := time.Now().Add(undoTime), false
	for {
		_, err := e.tasks.Get(ctx, &tasksapi.GetRequest{ContainerID: task.ID})
		if err == nil {
			return e.keepLimits(task.ID) // for which there may have been no room
		}
		if !gone(err) {
			return err
		}
		if err := e.discard(ctx, task.ID); err != nil {
			return err
		}
		err = e.create(ctx, task, img)
		if err == nil || errors.Is(err, errNoLayers) || errors.Is(err, executor.ErrTemporary) || full(err) {
			return err
		}
		if time.Now().After(deadline) {
			if cleared || !e.clearBundle(err, task.ID) {
				return err
			}
			cleared = true
		}
		if err := bell.Sleep(ctx, undoPause); err != nil {
			return err
		}
	}
}

// undoTime is how long containerd lets itself to undo a creation that was
// abandoned, by its default; undoPause is between two looks.
const (
	undoTime  = 5 * time.Second
	undoPause = 50 * time.Millisecond
)

// create makes everything of a task. The container's record comes first: it
// keeps the snapshot from the garbage collector, and whatever a crash leaves is
// found by it.
func (e *Engine) create(ctx context.Context, task executor.Task, img *image) error {
	if err := e.record(ctx, task, img); err != nil {
		return err
	}
	root, err := e.client.SnapshotService(e.config.Snapshotter).Prepare(ctx, task.ID, img.chain)
	if gone(err) {
		return errNoLayers
	}
	if err != nil {
		return err
	}
	request := &tasksapi.CreateTaskRequest{ContainerID: task.ID, Rootfs: mountMessages(root), Terminal: task.Spec.TTY}
	if err := e.stdio(ctx, task, request); err != nil {
		return err
	}
	if _, err = e.tasks.Create(ctx, request); err != nil {
		return err
	}
	return e.keepLimits(task.ID)
}

// record writes the container's record with everything that runc is told.
func (e *Engine) record(ctx context.Context, task executor.Task, img *image) error {
	files := hostFiles(e.dir(task.ID))
	if err := files.write(task, "/etc"); err != nil {
		return err
	}
	if err := e.keepHealthcheck(task.ID, img.check); err != nil {
		return err
	}
	spec, err := e.host.runtimeSpec(task, img, e.cgroup(task.ID), files)
	if err != nil {
		return err
	}
	specMessage, err := typeurl.MarshalAny(spec)
	if err != nil {
		return err
	}
	runc, err := typeurl.MarshalAny(&options.Options{Root: e.config.RuncRoot})
	if err != nil {
		return err
	}
	signal, err := stopSignal(task.Spec.StopSignal, img.config.StopSignal)
	if err != nil {
		return err
	}
	made := containers.Container{
		ID: task.ID,
		Labels: map[string]string{
			labelTask: task.ID, labelName: task.Name, labelService: task.ServiceName, labelStack: task.Stack,
			labelSignal: fmt.Sprint(int(signal)),
		},
		Image:       img.name,
		Runtime:     containers.RuntimeInfo{Name: runtimeName, Options: runc},
		Spec:        specMessage,
		Snapshotter: e.config.Snapshotter,
		SnapshotKey: task.ID,
	}
	made.Labels[labelSum] = sum(made)
	_, err = e.client.ContainerService().Create(ctx, made)
	return err
}

// stdio says where the task's process reads and writes.
func (e *Engine) stdio(ctx context.Context, task executor.Task, request *tasksapi.CreateTaskRequest) (err error) {
	if task.Spec.Stdin {
		// Nobody writes to it: an open stdin that never ends, as in Docker.
		request.Stdin = filepath.Join(e.dir(task.ID), "stdin")
		if err := unix.Mkfifo(request.Stdin, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if e.config.Logs == nil {
		return nil
	}
	request.Stdout, request.Stderr, err = e.config.Logs.Open(ctx, task.ID)
	if task.Spec.TTY {
		request.Stderr = "" // a terminal has one output
	}
	if err != nil {
		return temporary("open the log: " + err.Error())
	}
	return nil
}

func mountMessages(mounts []mount.Mount) []*types.Mount {
	var messages []*types.Mount
	for _, m := range mounts {
		messages = append(messages, &types.Mount{Type: m.Type, Source: m.Source, Target: m.Target, Options: m.Options})
	}
	return messages
}

// cgroup is a task's own cgroup.
func (e *Engine) cgroup(id string) string { return path.Join(e.config.CgroupParent, id) }
