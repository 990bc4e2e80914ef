package agent

import (
	"context"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
)

// progressPause is how often the progress of a task is reported: each report is
// an entry in the managers' log.
const progressPause = time.Second

// driver leads one task from its assignment to its removal. Whoever brings an
// event steps the task's life with it, and begins what Step says is next or
// interrupts what is under way: a task has a goroutine only while something is
// done for it. The driver stays until the cluster forgets the task.
type driver struct {
	crew   *crew
	task   executor.Task     // as the managers know it
	labels map[string]string // its service's, if templates need them

	mu        sync.Mutex
	life      task.Life
	action    task.Action // what follows from life
	current   *doing      // the action under way; nil while there is none
	check     *doing      // the health check on its way; likewise
	forgotten bool
	stray     *executor.Found // what was there at the start, until it is looked at
	inherited bool            // it was there at the start, and its health was not checked since

	// How the health is checked: of the action that learns it, and guarded by mu
	// when that has ended.
	test     []string // the command; nil is not
	patience time.Duration
}

func newDriver(c *crew, t executor.Task, r row) *driver {
	return &driver{crew: c, task: t, labels: r.Labels, life: r.Life, forgotten: r.Forgotten}
}

// want is what a manager wants now.
func (d *driver) want(ctx context.Context, desired specs.State) {
	d.hear(ctx, task.Wanted{Desired: desired})
}

// forget ends the task, if it has not ended, and then it leaves the crew.
func (d *driver) forget(ctx context.Context) {
	d.mu.Lock()
	d.forgotten = true
	d.mu.Unlock()
	d.hear(ctx, task.Wanted{Desired: specs.StateRemove})
}

// hear is told what has happened and does what follows. What it begins goes on
// until ctx ends: then the task is left as it is.
func (d *driver) hear(ctx context.Context, e task.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.step(e)
	d.proceed(ctx)
}

// step keeps what follows from e and, if it shows, reports it. The caller holds
// the mutex, as of proceed.
func (d *driver) step(e task.Event) {
	was := d.life
	d.life, d.action = task.Step(was, e, time.Now())
	if d.life == was {
		return
	}
	d.crew.memory.put(d.task.ID, d)
	if d.life.Seen.State.Final() {
		d.crew.ended.Ring()
	}
	if d.life.Seen != was.Seen && !d.forgotten {
		d.crew.outbox.put(d.task.ID, d.life.Seen, awaited(d.life))
	}
}

// proceed begins the action that is next, or interrupts another that is under way:
// its end is then heard first. A forgotten task of which nothing is left leaves.
func (d *driver) proceed(ctx context.Context) {
	if d.current != nil && d.current.do != d.action.Do {
		d.current.cancel()
		if !d.current.begun {
			d.current = nil
		}
	}
	if d.check != nil && d.action.Check == 0 {
		d.check.cancel() // what it found does not matter any more
		d.check = nil
	}
	switch {
	case ctx.Err() != nil:
	case d.life.Over() && d.forgotten:
		d.crew.drivers.Go(func() { d.crew.left(ctx, d.task.ID) })
	case d.current == nil && d.action.Do != task.Nothing:
		d.begin(ctx)
	}
	if d.check == nil && d.action.Check > 0 && ctx.Err() == nil {
		d.beginCheck(ctx)
	}
}

// kept is what the disk is to hold of the task.
func (d *driver) kept() row {
	d.mu.Lock()
	defer d.mu.Unlock()
	return row{
		ServiceID: d.task.ServiceID, ServiceName: d.task.ServiceName, Stack: d.task.Stack,
		Slot: d.task.Slot, Labels: d.labels, Spec: d.task.Spec, Life: d.life, Forgotten: d.forgotten,
	}
}

// awaited reports whether the managers may have something to do once they know
// of the state.
func awaited(l task.Life) bool {
	return l.Seen.State >= specs.StateRunning ||
		l.Seen.State == specs.StateReady && l.Desired == specs.StateReady
}

// reportAgain reports what was reported before.
func (d *driver) reportAgain() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.forgotten {
		d.crew.outbox.put(d.task.ID, d.life.Seen, true)
	}
}
