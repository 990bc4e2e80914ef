package executortest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// Describe says what SetDescription was told.
func (m *Memory) Describe(ctx context.Context) (specs.NodeDescription, error) {
	after, err := m.admit(ctx, OpDescribe, "")
	if err != nil {
		return specs.NodeDescription{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.description, after
}

// Prepare remembers the task once its preparation time has passed.
func (m *Memory) Prepare(ctx context.Context, task executor.Task, progress func(string)) error {
	defer m.enter(ctx, OpPrepare, task.ID)()
	after, err := m.admit(ctx, OpPrepare, task.ID)
	if err != nil {
		return err
	}
	if task.ID == "" {
		m.complain("executor: prepare of a task without an ID")
	}
	for _, f := range task.Files {
		if _, err := os.Stat(f.Source); err != nil {
			m.complain("executor: task %s is prepared before its file: %v", task.ID, err)
		}
	}
	kept := task
	kept.Login = nil
	b, done := m.beginPrepare(kept)
	if done {
		return after
	}
	if b.PrepareTakes > 0 && progress != nil {
		progress("pull 50%")
	}
	if err := bell.Sleep(ctx, b.PrepareTakes); err != nil {
		return err
	}
	if b.Registry != nil {
		login, err := task.Login(ctx)
		if err != nil {
			return fmt.Errorf("prepare task %s: %w", task.ID, err)
		}
		if login != *b.Registry {
			return fmt.Errorf("prepare task %s: the registry of %s wants another login", task.ID, task.Spec.Image)
		}
	}
	if b.PrepareErr != "" {
		return fmt.Errorf("prepare task %s: %s", task.ID, b.PrepareErr)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[task.ID]
	if t == nil {
		return fmt.Errorf("prepare task %s: removed meanwhile: %w", task.ID, executor.ErrTemporary)
	}
	t.phase = max(t.phase, executor.Prepared)
	return after
}

// beginPrepare makes the task half, and reports whether it is already whole.
func (m *Memory) beginPrepare(task executor.Task) (b Behaviour, done bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[task.ID]
	if t == nil {
		t = newMemoryTask(task, m.behaviourOf(task))
		m.tasks[task.ID] = t
	} else if !reflect.DeepEqual(t.task, task) {
		m.complain("executor: task %s prepared a second time and differently", task.ID)
	}
	return t.behaviour, t.phase >= executor.Prepared
}

// Start makes a prepared task run.
func (m *Memory) Start(ctx context.Context, id string) (int, error) {
	defer m.enter(ctx, OpStart, id)()
	after, err := m.admit(ctx, OpStart, id)
	if err != nil {
		return 0, err
	}
	t, pid, err := m.startable(id)
	if err != nil || pid != 0 {
		return pid, errors.Join(err, after)
	}
	if err := bell.Sleep(ctx, t.behaviour.StartTakes); err != nil {
		return 0, err
	}
	if t.behaviour.StartErr != "" {
		return 0, fmt.Errorf("start task %s: %s", id, t.behaviour.StartErr)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tasks[id] != t {
		return 0, fmt.Errorf("start task %s: %w", id, executor.ErrNotFound)
	}
	m.run(t)
	if after != nil {
		return 0, after
	}
	return t.pid, nil
}

// startable returns the task if it can be started, and its process ID if it has
// been.
func (m *Memory) startable(id string) (*memoryTask, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	switch {
	case t == nil:
		m.complain("executor: start of task %s, which was never prepared", id)
		return nil, 0, fmt.Errorf("start task %s: %w", id, executor.ErrNotFound)
	case t.phase == executor.Preparing:
		return nil, 0, fmt.Errorf("start task %s: it is half made: %w", id, executor.ErrNotFound)
	case t.phase == executor.Exited:
		return nil, 0, fmt.Errorf("start task %s: it has ended and never runs twice", id)
	}
	return t, t.pid, nil
}

// run gives the task a process. It needs m.mu.
func (m *Memory) run(t *memoryTask) {
	if t.phase != executor.Prepared {
		return
	}
	m.lastPID++
	m.starts[t.task.ID]++
	t.phase, t.pid = executor.Running, 1000+m.lastPID
	if t.behaviour.RunsFor > 0 {
		m.endLater(t, t.behaviour.RunsFor, t.behaviour.Exit)
	}
}

// endLater ends the task's process after d unless it has ended by then. It
// needs m.mu.
func (m *Memory) endLater(t *memoryTask, d time.Duration, exit specs.Exit) {
	t.cancelEnding()
	t.ending = time.AfterFunc(d, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.end(t, exit)
	})
}

// Wait waits for the end of the task's process.
func (m *Memory) Wait(ctx context.Context, id string) (specs.Exit, error) {
	after, err := m.admit(ctx, OpWait, id)
	if err != nil {
		return specs.Exit{}, err
	}
	t, away := m.waitable(id)
	if t == nil {
		return specs.Exit{}, fmt.Errorf("wait for task %s: %w", id, executor.ErrNotFound)
	}
	select {
	case <-t.ended: // what has ended stays known, whatever else is true
		return t.exit, after
	default:
	}
	select {
	case <-t.ended:
		return t.exit, after
	case <-t.gone:
		return specs.Exit{}, fmt.Errorf("wait for task %s: %w", id, executor.ErrNotFound)
	case <-away:
		return specs.Exit{}, fmt.Errorf("wait for task %s: the engine went away: %w", id, executor.ErrTemporary)
	case <-ctx.Done():
		return specs.Exit{}, ctx.Err()
	}
}

// waitable returns the task if a process of it can end, and what is closed when
// the engine goes away.
func (m *Memory) waitable(id string) (*memoryTask, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	if t != nil && t.phase == executor.Preparing {
		t = nil
	}
	return t, m.away
}

// Stop asks the task's process to end and kills it after grace.
func (m *Memory) Stop(ctx context.Context, id string, grace time.Duration) error {
	after, err := m.admit(ctx, OpStop, id)
	if err != nil {
		return err
	}
	t := m.signal(id)
	if t == nil {
		return after
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-t.ended:
	case <-t.gone:
	case <-timer.C:
		m.Kill(id, specs.Exit{Code: exitKilled})
	case <-ctx.Done():
		return ctx.Err()
	}
	return after
}

// signal sends the stop signal and returns the task if it has a process.
func (m *Memory) signal(id string) *memoryTask {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	if t == nil || t.phase != executor.Running {
		return nil
	}
	exit := specs.Exit{Code: exitTerminated}
	switch {
	case t.behaviour.IgnoresStop:
	case t.behaviour.StopTakes > 0:
		m.endLater(t, t.behaviour.StopTakes, exit)
	default:
		m.end(t, exit)
	}
	return t
}

// Remove forgets the task and its process.
func (m *Memory) Remove(ctx context.Context, id string) error {
	defer m.enter(ctx, OpRemove, id)()
	after, err := m.admit(ctx, OpRemove, id)
	if err != nil {
		return err
	}
	m.Lose(id)
	return after
}

// List returns all tasks, sorted by ID.
func (m *Memory) List(ctx context.Context) ([]executor.Found, error) {
	after, err := m.admit(ctx, OpList, "")
	if err != nil || after != nil {
		return nil, errors.Join(err, after)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found := make([]executor.Found, 0, len(m.tasks))
	for id, t := range m.tasks {
		f := executor.Found{ID: id, ServiceName: t.task.ServiceName, Phase: t.phase, PID: t.pid, Exit: t.exit}
		if m.mute {
			f = executor.Found{ID: id, ServiceName: t.task.ServiceName, Phase: executor.Mute}
		}
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b executor.Found) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}

// Healthcheck returns the check of the task's behaviour.
func (m *Memory) Healthcheck(ctx context.Context, id string) (*specs.Healthcheck, error) {
	after, err := m.admit(ctx, OpHealth, id)
	if err != nil || after != nil {
		return nil, errors.Join(err, after)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	if t == nil || t.phase == executor.Preparing {
		return nil, fmt.Errorf("health check of task %s: %w", id, executor.ErrNotFound)
	}
	return t.behaviour.Healthcheck, nil
}

// Exec does what the task's behaviour says of commands. A command ends with the
// task, killed.
func (m *Memory) Exec(ctx context.Context, id string, c executor.Command) (int, error) {
	after, err := m.admit(ctx, OpExec, id)
	if err != nil {
		return 0, err
	}
	t := m.runs(id)
	if t == nil {
		return 0, fmt.Errorf("run %s in task %s: %w", strings.Join(c.Args, " "), id, executor.ErrNotFound)
	}
	if err := bell.Sleep(ctx, t.behaviour.ExecStartTakes); err != nil {
		return 0, err
	}
	c.Runs()
	if t.behaviour.Exec == nil {
		return 0, after
	}
	life, end := context.WithCancel(ctx)
	defer end()
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-t.ended:
		case <-t.gone:
		case <-life.Done():
		}
		end()
	}()
	code, err := t.behaviour.Exec(life, t.task, c)
	killed := life.Err() != nil
	end()
	<-watching
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case killed:
		return exitKilled, after
	}
	return code, errors.Join(err, after)
}

// runs returns the task if it has a process now.
func (m *Memory) runs(id string) *memoryTask {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.tasks[id]; t != nil && t.phase == executor.Running {
		return t
	}
	return nil
}
