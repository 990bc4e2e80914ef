package agent

import (
	"context"
	"fmt"
	"slices"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
)

// exclusive reports that a task has what two of one slot cannot share: ports of the
// host, or what they write to.
func exclusive(s specs.TaskSpec) bool {
	return len(s.HostPorts) > 0 || slices.ContainsFunc(s.Mounts, func(m specs.Mount) bool { return m.Type != specs.MountTmpfs && !m.ReadOnly })
}

// awaitPredecessor returns once nothing is there any more that is in the way of the
// task's start, or acting is over. The managers start no task before they know of the
// other's end; but one that they have given up, or that was a former node's on this
// machine, has ended for them already. How long it takes is up to the other: its grace,
// then it is killed.
func (d *driver) awaitPredecessor(ctx, acting context.Context) {
	for acting.Err() == nil {
		ended := d.crew.ended.Next()
		other := d.crew.predecessor(d)
		if other == nil {
			return
		}
		why := "which had its slot on this node before"
		if other.stranger() {
			why = "which no manager knows"
		}
		d.hear(ctx, task.Progress{Words: fmt.Sprintf("waits for the end of task %s, %s", other.task.ID, why)})
		select {
		case <-ended:
		case <-acting.Done():
		}
	}
}

// predecessor is the first, by their IDs, of the tasks that are to end and are in the
// way of d's start. It is nil if none is.
func (c *crew) predecessor(d *driver) (first *driver) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, other := range c.tasks {
		if other != d && other.precedes(d.task) && other.ending() && (first == nil || id < first.task.ID) {
			first = other
		}
	}
	return first
}

// stranger reports that no manager knows the task.
func (d *driver) stranger() bool { return d.task.ServiceID == "" }

// precedes reports that the task had the slot of t before, or may have had it. Which
// slot a stranger had says nothing to managers of others; and if not even its service
// is known, it may have been any.
func (d *driver) precedes(t executor.Task) bool {
	if d.stranger() {
		return d.task.ServiceName == "" || d.task.ServiceName == t.ServiceName
	}
	return d.task.ServiceID == t.ServiceID && d.task.Slot == t.Slot
}

// ending reports that the task is to end and has not.
func (d *driver) ending() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.life.Desired >= specs.StateShutdown && !d.life.Seen.State.Final()
}
