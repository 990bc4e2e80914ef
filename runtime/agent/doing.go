package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
)

// doing is one action under way.
type doing struct {
	do     task.Do
	cancel context.CancelFunc
	result chan task.Event // one event, with room for it
}

// hands do what they are given, one thing after the other, until they are closed.
// A task has one pair for all its actions: a goroutine for each of them would
// grow its stack anew, which costs more than most actions.
type hands chan func()

func (h hands) work() {
	for do := range h {
		do()
	}
}

func (h hands) take(do func()) { h <- do }

// do begins the action.
func (d *driver) do(ctx context.Context, h hands, action task.Action) *doing {
	return begin(ctx, h.take, action.Do, action.Delay, func(ctx context.Context) task.Event { return d.act(ctx, action.Do) })
}

// begin has somebody do what act does, after delay.
func begin(ctx context.Context, somebody func(func()), do task.Do, delay time.Duration, act func(context.Context) task.Event) *doing {
	ctx, cancel := context.WithCancel(ctx)
	w := &doing{do: do, cancel: cancel, result: make(chan task.Event, 1)}
	somebody(func() {
		defer cancel()
		if delay > 0 {
			sleep(ctx, delay)
		}
		w.result <- act(ctx)
	})
	return w
}

// done is where the result comes; of no action it never comes.
func (w *doing) done() <-chan task.Event {
	if w == nil {
		return nil
	}
	return w.result
}

// interrupt ends the action early and returns what it came to.
func (w *doing) interrupt() task.Event {
	w.cancel()
	return <-w.result
}

// act does one action to its end.
func (d *driver) act(ctx context.Context, do task.Do) task.Event {
	x, id := d.crew.executor, d.task.ID
	switch do {
	case task.Look:
		return d.look(ctx)
	case task.Prepare:
		t, err := d.ready(ctx)
		if err == nil {
			err = d.inTurn(ctx, d.crew.preparing, func() error {
				d.hear(task.Began{})
				return x.Prepare(ctx, t, d.progress())
			})
		}
		return task.Prepared{Failure: failure(ctx, err)}
	case task.Start:
		var e task.Started
		err := d.inTurn(ctx, d.crew.starting, func() (err error) {
			if e.PID, err = x.Start(ctx, id); err == nil {
				e.Check, err = d.learnCheck(ctx)
			}
			return err
		})
		e.Failure = failure(ctx, err)
		return e
	case task.Wait:
		exit, err := x.Wait(ctx, id)
		return task.Ended{Exit: exit, Failure: failure(ctx, err)}
	case task.Stop:
		return task.Stopped{Failure: failure(ctx, x.Stop(ctx, id, stopGrace(d.task.Spec)))}
	default:
		return task.Removed{Failure: failure(ctx, d.remove(ctx))}
	}
}

// inTurn runs f when there is room for one more at it.
func (d *driver) inTurn(ctx context.Context, room chan struct{}, f func() error) error {
	select {
	case room <- struct{}{}:
		defer func() { <-room }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// remove waits until the task's end is on disk: what is removed takes its exit
// code with it.
func (d *driver) remove(ctx context.Context) error {
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

// found is what the executor has of the task, as the task's life wants to know
// it.
func (d *driver) found(ctx context.Context, f executor.Found) task.Found {
	phases := map[executor.Phase]task.Phase{
		executor.Preparing: task.HalfMade, executor.Prepared: task.Made,
		executor.Running: task.Running, executor.Exited: task.Exited,
	}
	e := task.Found{Phase: phases[f.Phase], PID: f.PID, Exit: f.Exit}
	if f.Phase == executor.Running {
		var err error
		e.Check, err = d.learnCheck(ctx)
		e.Failure = failure(ctx, err)
	}
	return e
}

// failure says what err means for the task. Whatever an interrupted action
// answers says nothing about it.
func failure(ctx context.Context, err error) task.Failure {
	switch {
	case err == nil:
		return task.Failure{}
	case ctx.Err() != nil:
		return task.Failure{Kind: task.Interrupted}
	case errors.Is(err, executor.ErrTemporary):
		return task.Failure{Kind: task.Temporary, Words: err.Error()}
	case errors.Is(err, executor.ErrNotFound):
		return task.Failure{Kind: task.Missing, Words: err.Error()}
	}
	return task.Failure{Kind: task.Final, Words: err.Error()}
}

// progress returns what Prepare tells its progress to.
func (d *driver) progress() func(string) {
	var last time.Time
	return func(words string) {
		if time.Since(last) >= progressPause {
			last = time.Now()
			d.hear(task.Progress{Words: words})
		}
	}
}

// hear passes on what happens during an action, unless the driver is behind.
func (d *driver) hear(e task.Event) {
	select {
	case d.heard <- e:
	default:
	}
}

func stopGrace(s specs.TaskSpec) time.Duration {
	if s.StopGrace == nil {
		return specs.DefaultStopGrace
	}
	return time.Duration(*s.StopGrace)
}
