package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/secrets"
	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// maxPreparing is how many tasks of a node are prepared at a time: enough to
	// keep a network busy with pulls and still have room for what is here.
	maxPreparing = 32
	// maxStarting is how many are started at a time. A start is processor time;
	// more at a time only makes each of them later.
	maxStarting = 16
)

// crew is the node's tasks, each with a driver while it lives.
type crew struct {
	nodeID   string
	executor executor.Executor
	describe func(context.Context) (specs.NodeDescription, error)
	files    *secrets.Dir
	desk     *desk
	logs     Logs
	log      *slog.Logger
	memory   *memory
	outbox   *outbox
	drivers  sync.WaitGroup

	preparing, starting *gang
	checking            chan struct{} // holds a token for each check that is begun
	ended               bell.Bell     // when a task has ended, or nothing of it is left

	mu     sync.Mutex
	tasks  map[string]*driver        // every task that the cluster has not forgotten
	strays map[string]executor.Found // what the executor had at the start and the disk had not
}

func newCrew(c Config, k *desk, m *memory, o *outbox) *crew {
	w := &crew{
		nodeID: c.NodeID, executor: c.Executor, describe: c.Describe, files: c.Files, desk: k, logs: c.Logs, log: c.Log, memory: m, outbox: o,
		checking: make(chan struct{}, maxChecking), tasks: map[string]*driver{}, strays: map[string]executor.Found{},
	}
	w.preparing, w.starting = newGang(maxPreparing, w.drivers.Go), newGang(maxStarting, w.drivers.Go)
	return w
}

// restore takes up what was there before the daemon was started. It is called
// once, first.
func (c *crew) restore(ctx context.Context, rows map[string]row, found []executor.Found) {
	for _, f := range found {
		c.strays[f.ID] = f
	}
	err := c.files.Keep(func(id string) bool {
		_, remembered := rows[id]
		_, exists := c.strays[id]
		return remembered || exists
	})
	if err != nil {
		c.log.WarnContext(ctx, "secrets of tasks that are gone cannot be removed from memory", "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, r := range rows {
		r.Life.Lost = !r.Life.Seen.State.Final()
		c.begin(ctx, id, r)
	}
}

func (c *crew) taskOf(id string, r row) executor.Task {
	return executor.Task{
		ID: id, Name: taskName(r.ServiceName, r.Slot, c.nodeID),
		ServiceID: r.ServiceID, ServiceName: r.ServiceName, Stack: r.Stack, Slot: r.Slot,
		Spec:  r.Spec,
		Login: func(ctx context.Context) (specs.Login, error) { return c.desk.login(ctx, id) },
	}
}

func taskName(service string, slot uint64, nodeID string) string {
	t := specs.Task{ServiceName: service, Slot: slot}
	if slot == 0 {
		t.SlotNode = nodeID
	}
	return t.Name()
}

// begin makes a driver, which leads the task until ctx ends; the caller holds the
// mutex. What List found of the task is what its first look finds.
func (c *crew) begin(ctx context.Context, id string, r row) {
	d := newDriver(c, c.taskOf(id, r), r)
	stray, isThere := c.strays[id]
	delete(c.strays, id)
	c.tasks[id] = d
	first := task.Event(task.Wanted{Desired: r.Life.Desired})
	switch {
	case isThere:
		d.life.Lost = !d.life.Seen.State.Final()
		d.stray, d.inherited = &stray, true
	case d.life.Lost:
		first = task.Found{Phase: task.Absent}
	}
	d.hear(ctx, first)
}

// assign makes the crew as the message of a manager says. carried has followed the
// message.
func (c *crew) assign(ctx context.Context, a wire.Assignments, carried *wire.Carried) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	named := make(map[string]bool, len(a.Set))
	for _, assignment := range a.Set {
		named[assignment.TaskID] = true
		if err := c.want(ctx, assignment, carried); err != nil {
			return err
		}
	}
	forgotten := a.Remove
	if a.Full {
		forgotten = c.unnamed(ctx, named)
	}
	for _, id := range forgotten {
		if d, known := c.tasks[id]; known {
			d.forget(ctx)
		}
	}
	return nil
}

// want makes one task as the manager wants it. A task that ended for the
// managers while its node was away has been replaced: it must end here too.
func (c *crew) want(ctx context.Context, a wire.Assignment, carried *wire.Carried) error {
	if d, known := c.tasks[a.TaskID]; known {
		if a.State.Final() {
			a.Desired = max(a.Desired, specs.StateShutdown)
		}
		d.want(ctx, a.Desired)
		return nil
	}
	spec, ok := carried.Spec(a.Spec)
	if !ok {
		return fmt.Errorf("the manager named task spec %s of task %s and did not send it", a.Spec.Short(), a.TaskID)
	}
	c.begin(ctx, a.TaskID, row{
		ServiceID: a.ServiceID, ServiceName: a.ServiceName, Stack: a.Stack, Slot: a.Slot, Labels: a.Labels, Spec: spec,
		Life: task.Accept(a.Desired, a.State, spec.Limits.Memory, time.Now()),
	})
	return nil
}

// unnamed returns the tasks that the manager's full set does not name, and has
// what nobody knows removed.
func (c *crew) unnamed(ctx context.Context, named map[string]bool) []string {
	var ids []string
	for id := range c.tasks {
		if !named[id] {
			ids = append(ids, id)
		}
	}
	for id, f := range c.strays {
		c.log.InfoContext(ctx, "removing what no manager knows", "task", id)
		c.begin(ctx, id, row{ServiceName: f.ServiceName, Life: task.Discard(time.Now()), Forgotten: true})
	}
	return ids
}

// left takes a forgotten task out, once nothing of it is in the executor, and
// its logs with it. A task whose logs cannot be removed is tried again in the
// next session.
func (c *crew) left(ctx context.Context, id string) {
	if c.logs != nil {
		if err := c.logs.Remove(ctx, id); err != nil {
			c.log.WarnContext(ctx, "cannot remove the logs of a forgotten task yet", "task", id, "error", err)
			return
		}
	}
	c.mu.Lock()
	delete(c.tasks, id)
	c.mu.Unlock()
	c.memory.put(id, nil)
}

// reportAll tells a new manager everything; it drops what it knows.
func (c *crew) reportAll() {
	c.mu.Lock()
	all := make([]*driver, 0, len(c.tasks))
	for _, d := range c.tasks {
		all = append(all, d)
	}
	c.mu.Unlock()
	for _, d := range all {
		d.reportAgain()
	}
}

// wait returns once the last driver has ended.
func (c *crew) wait() { c.drivers.Wait() }
