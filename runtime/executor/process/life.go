package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

const (
	startLimit   = 30 * time.Second // that a supervisor may take to start a program
	killPatience = 10 * time.Second // that it may take to kill a task, before it is killed itself
	lookPause    = 20 * time.Millisecond
)

// look says how far a task is. It waits for a program that is being started, and
// ends one that takes longer than startLimit.
func (e *Engine) look(ctx context.Context, id string) (s state, phase executor.Phase, err error) {
	patience, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		s, phase, err = e.glance(id)
		if err != nil || phase != executor.Running || s.main.PID != 0 {
			return s, phase, err
		}
		if bell.Sleep(patience, lookPause) != nil { // its program is being started
			if err = ctx.Err(); err == nil {
				err = e.end(ctx, id, s)
			}
			if err != nil {
				return s, phase, err
			}
		}
	}
}

// glance reads the files of a task and looks whether its supervisor lives.
func (e *Engine) glance(id string) (s state, phase executor.Phase, err error) {
	s, err = readState(e.dir(id))
	if err == nil && s.end == nil && s.supervisor.PID != 0 && s.program.Boot == e.boot {
		if s.supervisor.Lives() {
			return s, executor.Running, nil
		}
		s, err = readState(e.dir(id)) // its last word may have come meanwhile
	}
	switch {
	case errors.Is(err, errHalfMade):
		return s, executor.Preparing, nil
	case errors.Is(err, os.ErrNotExist):
		return s, 0, fmt.Errorf("task %s is no process here: %w", id, executor.ErrNotFound)
	case err != nil:
		return s, 0, fmt.Errorf("look at task %s: %w", id, err)
	case s.end != nil:
		return s, executor.Exited, nil
	case s.program.Boot == e.boot && s.supervisor.PID == 0:
		return s, executor.Prepared, nil
	}
	return s, executor.Preparing, nil
}

// Start has a supervisor start the program.
func (e *Engine) Start(ctx context.Context, id string) (int, error) {
	s, phase, err := e.look(ctx, id)
	switch {
	case err != nil:
		return 0, err
	case phase == executor.Running:
		return s.main.PID, nil
	case phase == executor.Preparing:
		return 0, fmt.Errorf("task %s is half made: %w", id, executor.ErrNotFound)
	case phase == executor.Exited && s.end.Refused == "":
		return 0, fmt.Errorf("start: the task has ended with code %d and never runs twice", s.end.Code)
	case phase == executor.Prepared:
		if err := e.supervise(ctx, id); err != nil {
			return 0, err
		}
		if s, _, err = e.look(ctx, id); err != nil {
			return 0, err
		}
	}
	switch {
	case s.end != nil && s.end.Refused != "":
		return 0, fmt.Errorf("start: %s", s.end.Refused)
	case s.main.PID == 0:
		return 0, errKilled
	}
	return s.main.PID, nil
}

// errKilled is all that is known of the end of a task without a supervisor.
var errKilled = errors.New("its supervisor was killed, which ended it too")

// supervise starts a supervisor, in a session of its own, and returns once the
// program runs or never will: the record says which.
func (e *Engine) supervise(ctx context.Context, id string) error {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start: %w: %w", executor.ErrTemporary, err)
	}
	defer ready.Close()
	command := e.config.Command
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], verbSupervise, e.dir(id))...)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = "/", []string{}, []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		return fmt.Errorf("start a supervisor: %w: %w", executor.ErrTemporary, err)
	}
	go func() { _ = cmd.Wait() }() // for as long as the task runs, so that it leaves no zombie
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	said, err := io.ReadAll(ready)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("start: %w: the supervisor does not answer", executor.ErrTemporary)
	case err != nil:
		return fmt.Errorf("start: %w: %w", executor.ErrTemporary, err)
	case len(said) > 0:
		return fmt.Errorf("start: %s", said)
	}
	return nil
}

// Wait waits for the end of the task and of everything it has written.
func (e *Engine) Wait(ctx context.Context, id string) (specs.Exit, error) {
	for {
		s, phase, err := e.look(ctx, id)
		switch {
		case err != nil:
			return specs.Exit{}, err
		case phase == executor.Exited:
			e.finish(ctx, id)
			return s.end.Exit, ctx.Err()
		case phase == executor.Running:
			err = s.supervisor.Wait(ctx) // with it the task has ended
		case phase == executor.Prepared:
			err = bell.Sleep(ctx, lookPause)
		case s.supervisor.PID != 0 && s.program.Boot == e.boot:
			return specs.Exit{}, errKilled
		default:
			return specs.Exit{}, fmt.Errorf("task %s has no process here: %w", id, executor.ErrNotFound)
		}
		if err != nil {
			return specs.Exit{}, err
		}
	}
}

func (e *Engine) finish(ctx context.Context, id string) {
	if e.config.Logs == nil {
		return
	}
	if err := e.config.Logs.Finish(ctx, id); err != nil {
		e.log.WarnContext(ctx, "a task's last output may be lost", "task", id, "err", err)
	}
}

// Stop has the supervisor send the stop signal to all of the task's process
// group, and ends the task when grace is over.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	s, phase, err := e.look(ctx, id)
	if err != nil || phase != executor.Running {
		return ignoreNotFound(err)
	}
	return s.supervisor.WhileHeld(func(supervisor *procfs.Held) error {
		if err := supervisor.Signal(askToStop); err != nil {
			return fmt.Errorf("stop task %s: %w", id, err)
		}
		patience, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		if err := supervisor.Wait(patience); err == nil || patience.Err() == nil || ctx.Err() != nil {
			return err
		}
		return e.end(ctx, id, s)
	})
}

func ignoreNotFound(err error) error {
	if errors.Is(err, executor.ErrNotFound) {
		return nil
	}
	return err
}

// Remove takes away the task. Its log, which is finished then, stays: the agent
// removes it when the task is forgotten.
func (e *Engine) Remove(ctx context.Context, id string) error {
	s, err := readState(e.dir(id))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err == nil:
		err = e.end(ctx, id, s)
	case errors.Is(err, errHalfMade):
		err = nil
	}
	if err == nil {
		err = e.cgroups.Clear(ctx, cmp.Or(s.program.Cgroup, e.cgroupOf(id)))
	}
	if err == nil {
		e.finish(ctx, id) // nobody waited for the end of one that never ran, or ended unseen
		err = os.RemoveAll(e.dir(id))
	}
	if err != nil {
		return fmt.Errorf("remove task %s: %w", id, err)
	}
	return nil
}

// end ends a task with all that it has started, by its supervisor if that lives
// and obeys.
func (e *Engine) end(ctx context.Context, id string, s state) error {
	if s.supervisor.PID == 0 || s.program.Boot != e.boot {
		return nil
	}
	if err := endSupervisor(ctx, s); err != nil {
		return fmt.Errorf("end its supervisor: %w", err)
	}
	s, err := readState(e.dir(id))
	switch {
	case errors.Is(err, errHalfMade):
		return nil
	case err != nil:
		return err
	}
	return endStrays(ctx, id, s)
}

// endSupervisor has the supervisor end the task, and kills it if it does not.
func endSupervisor(ctx context.Context, s state) error {
	return s.supervisor.WhileHeld(func(supervisor *procfs.Held) error {
		for _, sig := range []unix.Signal{endAll, unix.SIGKILL} {
			if err := supervisor.Signal(sig); err != nil {
				return err
			}
			patience, cancel := context.WithTimeout(ctx, killPatience)
			err := supervisor.Wait(patience)
			cancel()
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
		return fmt.Errorf("process %d does not end: %w", s.supervisor.PID, executor.ErrTemporary)
	})
}

// Shutdown ends and removes every task, for a node that is taken down with all
// that runs on it.
func (e *Engine) Shutdown(ctx context.Context) error {
	all, err := e.List(ctx)
	errs := []error{err}
	for _, found := range all {
		errs = append(errs, e.Remove(ctx, found.ID))
	}
	return errors.Join(append(errs, e.cgroups.RemoveOwn(e.cgroup))...)
}
