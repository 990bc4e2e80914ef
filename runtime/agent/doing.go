package agent

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// doing is one action of a task under way, or a check of its health.
type doing struct {
	do     task.Do
	cancel context.CancelFunc
	begun  bool // guarded by the driver's mutex; until then it can be dropped
}

// begin begins the next action, when its delay is over, nothing is in its way, and
// its turn has come. The caller holds the mutex.
func (d *driver) begin(ctx context.Context) {
	acting, cancel := context.WithCancel(ctx)
	w := &doing{do: d.action.Do, cancel: cancel}
	d.current = w
	turn := d.crew.turn(w.do)
	perform := func() { d.perform(ctx, acting, w) }
	delay, alone := d.action.Delay, w.do == task.Start && exclusive(d.task.Spec)
	if delay > 0 || alone {
		d.crew.drivers.Go(func() {
			_ = bell.Sleep(acting, delay)
			if alone {
				d.awaitPredecessor(ctx, acting)
			}
			turn(perform)
		})
		return
	}
	turn(perform)
}

// turn is who does an action.
func (c *crew) turn(do task.Do) func(func()) {
	switch do {
	case task.Prepare:
		return c.preparing.do
	case task.Start:
		return c.starting.do
	}
	return c.drivers.Go
}

// perform does an action, unless it was dropped or ctx has ended by then, and hears
// how it ended.
func (d *driver) perform(ctx, acting context.Context, w *doing) {
	if acting.Err() != nil || !d.mayBegin(w) {
		return
	}
	e := d.act(acting, w.do)
	w.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = nil
	d.step(e)
	d.proceed(ctx)
}

func (d *driver) mayBegin(w *doing) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.begun = d.current == w
	return w.begun
}

// act does one action to its end. Each has a function of its own: what waits for
// the ends of thousands of tasks should not need the stack of what prepares one.
func (d *driver) act(ctx context.Context, do task.Do) task.Event {
	switch do {
	case task.Look:
		return d.look(ctx)
	case task.Prepare:
		return d.prepare(ctx)
	case task.Start:
		return d.start(ctx)
	case task.Wait:
		return d.wait(ctx)
	case task.Stop:
		return d.stop(ctx)
	default:
		return d.remove(ctx)
	}
}

func (d *driver) prepare(ctx context.Context) task.Event {
	t, err := d.ready(ctx)
	if err == nil {
		d.hear(ctx, task.Began{})
		err = d.crew.executor.Prepare(ctx, t, d.progress(ctx))
	}
	return task.Prepared{Failure: failure(ctx, err)}
}

func (d *driver) start(ctx context.Context) task.Event {
	var e task.Started
	var err error
	if e.PID, err = d.crew.executor.Start(ctx, d.task.ID); err == nil {
		e.Check, err = d.learnCheck(ctx)
	}
	e.Failure = failure(ctx, err)
	return e
}

func (d *driver) wait(ctx context.Context) task.Event {
	exit, err := d.crew.executor.Wait(ctx, d.task.ID)
	return task.Ended{Exit: exit, Failure: failure(ctx, err)}
}

func (d *driver) stop(ctx context.Context) task.Event {
	err := d.crew.executor.Stop(ctx, d.task.ID, stopGrace(d.task.Spec))
	return task.Stopped{Failure: failure(ctx, err)}
}

func (d *driver) remove(ctx context.Context) task.Event {
	return task.Removed{Failure: failure(ctx, d.clear(ctx))}
}

// clear takes away what is left of the task, once its end is on disk: what is
// removed takes its exit code with it.
func (d *driver) clear(ctx context.Context) error {
	if err := d.crew.memory.flush(ctx); err != nil {
		return err
	}
	if err := d.crew.executor.Remove(ctx, d.task.ID); err != nil {
		return err
	}
	if err := d.crew.files.Remove(d.task.ID); err != nil {
		return fmt.Errorf("%w: %w", executor.ErrTemporary, err)
	}
	return nil
}

func (d *driver) look(ctx context.Context) task.Event {
	if found := d.takeStray(); found != nil {
		return d.found(ctx, *found)
	}
	all, err := d.crew.executor.List(ctx)
	if err != nil {
		return task.Found{Failure: failure(ctx, err)}
	}
	for _, f := range all {
		if f.ID == d.task.ID {
			return d.found(ctx, f)
		}
	}
	return task.Found{Phase: task.Absent}
}

func (d *driver) takeStray() *executor.Found {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := d.stray
	d.stray = nil
	return found
}

// found is what the executor has of the task, as the task's life wants to know
// it.
func (d *driver) found(ctx context.Context, f executor.Found) task.Found {
	phases := map[executor.Phase]task.Phase{
		executor.Preparing: task.HalfMade, executor.Prepared: task.Made,
		executor.Running: task.Running, executor.Exited: task.Exited,
	}
	e := task.Found{Phase: phases[f.Phase], PID: f.PID, Exit: f.Exit}
	var err error
	switch f.Phase {
	case executor.Running:
		e.Check, err = d.learnCheck(ctx)
	case executor.Mute:
		err = fmt.Errorf("%w: what keeps the task does not say how far it has got", executor.ErrTemporary)
	}
	e.Failure = failure(ctx, err)
	return e
}

// failure says what err means for the task. Whatever an interrupted action
// answers says nothing about it, and neither does a disk, or a memory for secrets,
// that is full.
func failure(ctx context.Context, err error) task.Failure {
	switch {
	case err == nil:
		return task.Failure{}
	case ctx.Err() != nil:
		return task.Failure{Kind: task.Interrupted}
	case errors.Is(err, executor.ErrTemporary), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return task.Failure{Kind: task.Temporary, Words: err.Error()}
	case errors.Is(err, executor.ErrNotFound):
		return task.Failure{Kind: task.Missing, Words: err.Error()}
	}
	return task.Failure{Kind: task.Final, Words: err.Error()}
}

// progress returns what Prepare tells its progress to.
func (d *driver) progress(ctx context.Context) func(string) {
	var last time.Time
	return func(words string) {
		if time.Since(last) >= progressPause {
			last = time.Now()
			d.hear(ctx, task.Progress{Words: words})
		}
	}
}

func stopGrace(s specs.TaskSpec) time.Duration { return s.StopGrace.Or(specs.DefaultStopGrace) }
