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

// driver leads one task from its assignment to its removal: it feeds task.Step
// with what happens and does what Step says. Its goroutine ends when nothing is
// left to do in the executor; the driver itself stays until the cluster forgets
// the task.
type driver struct {
	crew    *crew
	task    executor.Task     // as the managers know it
	labels  map[string]string // its service's, if templates need them
	lost    bool              // nothing of it was there at the start, and something should have been
	heard   chan task.Event   // what happens during an action
	changed chan struct{}     // the managers want something else

	life  task.Life       // of the goroutine of run
	stray *executor.Found // of the goroutine of run: what was there at the start; nil once its health was checked

	// How the health is checked: of the action that learns it, and of run's
	// goroutine when that has ended.
	test     []string // the command; nil is not
	patience time.Duration

	mu        sync.Mutex
	desired   specs.State
	forgotten bool
	over      bool           // nothing is left to do in the executor
	seen      specs.TaskSeen // life's, for those outside of run
}

func newDriver(c *crew, t executor.Task, r row) *driver {
	return &driver{
		crew: c, task: t, labels: r.Labels, life: r.Life, forgotten: r.Forgotten, desired: r.Life.Desired, seen: r.Life.Seen,
		heard: make(chan task.Event, 2), changed: make(chan struct{}, 1),
	}
}

// want is what a manager wants now.
func (d *driver) want(desired specs.State) {
	d.mu.Lock()
	d.desired = max(d.desired, desired)
	d.mu.Unlock()
	signal(d.changed)
}

// forget ends the task, if it has not ended, and reports whether it is over and
// may leave the crew at once; else it leaves by itself.
func (d *driver) forget() (over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.desired, d.forgotten = specs.StateRemove, true
	signal(d.changed)
	return d.over
}

// run leads the task until nothing is left to do in the executor, or ctx ends:
// then the task is left as it is.
func (d *driver) run(ctx context.Context) {
	var current, check *doing
	h := make(hands)
	d.crew.drivers.Go(h.work)
	defer close(h)
	action := d.step(d.first(ctx))
	for !d.finished(ctx) {
		switch {
		case check == nil && action.Check > 0:
			check = d.check(ctx, action.Check)
		case check != nil && action.Check == 0:
			check.cancel() // what it found does not matter any more
			check = nil
		}
		switch {
		case current != nil && current.do != action.Do:
			e := current.interrupt()
			current, action = nil, d.step(e)
			continue
		case current == nil && action.Do != task.Nothing:
			current = d.do(ctx, h, action)
		}
		select {
		case e := <-current.done():
			current, action = nil, d.step(e)
		case e := <-check.done():
			check, action = nil, d.step(e)
		case e := <-d.heard:
			action = d.step(e)
		case <-d.changed:
			action = d.step(d.wish())
		case <-ctx.Done():
			if current != nil {
				current.interrupt()
			}
			if check != nil {
				check.cancel()
			}
			return
		}
	}
}

// step hears e, keeps what follows and, if it shows, reports it.
func (d *driver) step(e task.Event) task.Action {
	life, action := task.Step(d.life, e, time.Now())
	changed := life != d.life
	d.life = life
	if changed {
		d.record()
	}
	return action
}

func (d *driver) record() {
	d.mu.Lock()
	news, forgotten := d.life.Seen != d.seen, d.forgotten
	d.seen = d.life.Seen
	d.mu.Unlock()
	d.crew.memory.put(d.task.ID, &row{
		ServiceID: d.task.ServiceID, ServiceName: d.task.ServiceName, Stack: d.task.Stack,
		Slot: d.task.Slot, Labels: d.labels, Spec: d.task.Spec, Life: d.life, Forgotten: forgotten,
	})
	if news && !forgotten {
		d.crew.outbox.put(d.task.ID, d.life.Seen, awaited(d.life))
	}
}

// awaited reports whether the managers may have something to do once they know
// of the state.
func awaited(l task.Life) bool {
	return l.Seen.State >= specs.StateRunning ||
		l.Seen.State == specs.StateReady && l.Desired == specs.StateReady
}

// first is the first event: what was found, or else what is wanted anyhow.
func (d *driver) first(ctx context.Context) task.Event {
	switch {
	case d.stray != nil:
		return d.found(ctx, *d.stray)
	case d.lost:
		return task.Found{Phase: task.Absent}
	}
	return d.wish()
}

func (d *driver) wish() task.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return task.Wanted{Desired: d.desired}
}

// finished reports whether nothing is left to do; a forgotten task then leaves
// the crew.
func (d *driver) finished(ctx context.Context) bool {
	if !d.life.Over() {
		return false
	}
	d.mu.Lock()
	d.over = true
	forgotten := d.forgotten
	d.mu.Unlock()
	if forgotten {
		d.crew.left(ctx, d.task.ID)
	}
	return true
}

// reportAgain reports what was reported before.
func (d *driver) reportAgain() {
	d.mu.Lock()
	seen, forgotten := d.seen, d.forgotten
	d.mu.Unlock()
	if !forgotten {
		d.crew.outbox.put(d.task.ID, seen, true)
	}
}
