package containerd

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/typeurl/v2"
	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

const (
	// execEndLimit bounds the clearing up after a command. What the command left
	// in the background may hold its output; containerd waits up to 10 s for it.
	execEndLimit = 20 * time.Second
	// execLeftLimit is the same for a command that an earlier daemon left: this one
	// is to begin its work.
	execLeftLimit = 2 * time.Second
)

// execution is one command that runs in a task's container. Its directory is
// named after it, so that the next daemon finds what this one left.
type execution struct {
	*Engine
	task, id string
	pipes    *execPipes
}

// Exec runs a command in the task's container. That it cannot be begun, because a disk
// is full or files or pipes cannot be had, says nothing about the task.
func (e *Engine) Exec(ctx context.Context, id string, c executor.Command) (code int, err error) {
	tried := fmt.Sprintf("run %s in task %s", strings.Join(c.Args, " "), id)
	process, err := e.process(ctx, id)
	if err != nil {
		return 0, err
	}
	if process.Status != tasktypes.Status_RUNNING {
		return 0, fmt.Errorf("task %s is not running: %w", id, executor.ErrNotFound)
	}
	x := &execution{Engine: e, task: id, id: strings.ToLower(rand.Text())}
	if err := x.run(ctx, c, &code); err != nil {
		return 0, untilRoom(failure(ctx, tried, err))
	}
	return code, nil
}

// run takes the command through its life.
func (x *execution) run(ctx context.Context, c executor.Command, code *int) (err error) {
	// Not with its deadline: containerd would be told of it, and its answer that
	// it has passed can come before it has passed here.
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	defer context.AfterFunc(ctx, func() { end(ctx.Err()) })()

	if x.pipes, err = openExecPipes(x.dir(), c); err != nil {
		return temporary(err.Error())
	}
	err = x.start(life, c)
	if err == nil {
		c.Runs()
		x.pipes.copy(c, func() { x.closeInput(life) }, end)
		*code, err = x.wait(life, c)
	}
	cleared := x.clear(life, execEndLimit)
	return cmp.Or(context.Cause(life), err, cleared)
}

// start makes the process and lets it run. It is not interrupted, only given up as
// every call of containerd is: until it is over nobody can say what is to be killed.
func (x *execution) start(ctx context.Context, c executor.Command) error {
	process, err := x.spec(ctx, c)
	if err != nil {
		return err
	}
	message, err := typeurl.MarshalAnyToProto(process)
	if err != nil {
		return err
	}
	whole := context.WithoutCancel(ctx)
	if _, err := x.tasks.Exec(whole, &tasksapi.ExecProcessRequest{
		ContainerID: x.task, ExecID: x.id, Terminal: c.TTY, Spec: message,
		Stdin: x.pipes.stdinPath, Stdout: x.pipes.stdoutPath, Stderr: x.pipes.stderrPath,
	}); err != nil {
		return err
	}
	_, err = x.tasks.Start(whole, &tasksapi.StartRequest{ContainerID: x.task, ExecID: x.id})
	return err
}

// wait returns the exit code; meanwhile the terminal has the size it is to have.
func (x *execution) wait(ctx context.Context, c executor.Command) (int, error) {
	resizing, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.resize(resizing, c.Resize)
	}()
	ended, err := x.tasks.Wait(ctx, &tasksapi.WaitRequest{ContainerID: x.task, ExecID: x.id})
	stop()
	<-done
	return int(ended.GetExitStatus()), err
}

// resize sets the terminal's size until ctx ends. That it could not be set ends
// no command.
func (x *execution) resize(ctx context.Context, sizes <-chan executor.Size) {
	for {
		select {
		case s := <-sizes:
			_, err := x.tasks.ResizePty(ctx, &tasksapi.ResizePtyRequest{
				ContainerID: x.task, ExecID: x.id, Width: uint32(s.Width), Height: uint32(s.Height)})
			if err != nil && ctx.Err() == nil {
				x.log.DebugContext(ctx, "a terminal keeps its size", "task", x.task, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// closeInput tells the command that its input has ended.
func (x *execution) closeInput(ctx context.Context) {
	// The command may have ended meanwhile; who waits for it sees what is wrong.
	_, _ = x.tasks.CloseIO(ctx, &tasksapi.CloseIORequest{ContainerID: x.task, ExecID: x.id, Stdin: true})
}

// clear kills the command if it runs and takes it away, when all that it wrote
// is passed on. A command that could not be taken away keeps its directory: the
// next daemon tries again.
func (x *execution) clear(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	err := x.remove(ctx)
	x.pipes.close(err == nil)
	if err != nil {
		x.log.WarnContext(ctx, "a command that was run in a task is not cleared up", "task", x.task, "error", err)
		return nil
	}
	return os.RemoveAll(x.dir())
}

// remove takes the process away, dead or alive.
func (x *execution) remove(ctx context.Context) error {
	request := &tasksapi.DeleteProcessRequest{ContainerID: x.task, ExecID: x.id}
	_, err := x.tasks.DeleteProcess(ctx, request)
	if err == nil || gone(err) {
		return nil
	}
	if err := x.kill(ctx); err != nil && !gone(err) {
		return err
	}
	if _, err := x.tasks.Wait(ctx, &tasksapi.WaitRequest{ContainerID: x.task, ExecID: x.id}); err != nil && !gone(err) {
		return err
	}
	if _, err := x.tasks.DeleteProcess(ctx, request); err != nil && !gone(err) {
		return err
	}
	return nil
}

// kill kills the process and its group, in which are those whom it has started,
// if containerd says that it runs: the number of one that has ended may be
// another's by now.
func (x *execution) kill(ctx context.Context) error {
	found, err := x.tasks.Get(ctx, &tasksapi.GetRequest{ContainerID: x.task, ExecID: x.id})
	if err != nil || found.Process.Status == tasktypes.Status_STOPPED {
		return err
	}
	if found.Process.Status == tasktypes.Status_RUNNING && found.Process.Pid > 0 {
		_ = syscall.Kill(-int(found.Process.Pid), syscall.SIGKILL) // it may just have ended
	}
	_, err = x.tasks.Kill(ctx, &tasksapi.KillRequest{ContainerID: x.task, ExecID: x.id, Signal: uint32(syscall.SIGKILL)})
	return err
}

func (x *execution) dir() string { return filepath.Join(x.executions(), x.task+"."+x.id) }

// executions is where the pipes of commands lie.
func (e *Engine) executions() string { return filepath.Join(e.config.Dir, "exec") }

// clearExecutions ends the commands that a killed daemon left in containers:
// nobody waits for them.
func (e *Engine) clearExecutions(ctx context.Context) error {
	if err := os.MkdirAll(e.executions(), 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(e.executions())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		x := &execution{Engine: e, pipes: &execPipes{}}
		x.task, x.id, _ = strings.Cut(entry.Name(), ".")
		if err := x.clear(ctx, execLeftLimit); err != nil {
			return err
		}
	}
	return nil
}

// spec is what the task's own process was told, with what is the command's own.
func (x *execution) spec(ctx context.Context, c executor.Command) (*ocispec.Process, error) {
	record, err := x.client.ContainerService().Get(ctx, x.task)
	if err != nil {
		return nil, err
	}
	var whole ocispec.Spec
	if err := json.Unmarshal(record.Spec.GetValue(), &whole); err != nil {
		return nil, fmt.Errorf("read the container's record: %w", err)
	}
	process := whole.Process
	process.Args, process.Terminal = c.Args, c.TTY
	process.Cwd = path.Join("/", cmp.Or(c.WorkingDir, process.Cwd))
	if c.TTY {
		process.Env = override(process.Env, "TERM=xterm")
	}
	if c.TTY && c.Size != (executor.Size{}) {
		process.ConsoleSize = &ocispec.Box{Width: uint(c.Size.Width), Height: uint(c.Size.Height)}
	}
	if c.User != "" {
		if err := x.become(ctx, process, record.Image, c.User); err != nil {
			return nil, err
		}
	}
	process.Env = override(process.Env, c.Env...)
	return process, nil
}

// become makes a process that of another user of its image.
func (x *execution) become(ctx context.Context, process *ocispec.Process, image, user string) error {
	img, err := x.present(ctx, image)
	if err != nil {
		return err
	}
	who, home, err := identify(specs.TaskSpec{User: user}, img)
	if err != nil {
		return err
	}
	process.User = who
	held := *process.Capabilities
	held.Effective, held.Permitted = nil, nil
	if who.UID == 0 {
		held.Effective, held.Permitted = held.Bounding, held.Bounding
	}
	process.Capabilities = &held
	process.Env = slices.DeleteFunc(process.Env, func(entry string) bool { return strings.HasPrefix(entry, "HOME=") })
	if home != "" {
		process.Env = append(process.Env, "HOME="+home)
	}
	return nil
}
