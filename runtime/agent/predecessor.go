package agent

import (
	"context"
	"fmt"
	"slices"

	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
)

// exclusive reports that a task has what two of one slot cannot share: ports of the
// host, or what they write to.
func exclusive(s specs.TaskSpec) bool {
	return len(s.HostPorts) > 0 || slices.ContainsFunc(s.Mounts, func(m specs.Mount) bool { return m.Type != specs.MountTmpfs && !m.ReadOnly })
}

// awaitPredecessor returns once nothing is there any more that had the task's slot
// before and is to end, or acting is over. The managers start no task before they know
// of the other's end; but one that they have given up, or that was a former node's on
// this machine, has ended for them already. How long it takes is up to the other: its
// grace, then it is killed.
func (d *driver) awaitPredecessor(ctx, acting context.Context) {
	for acting.Err() == nil {
		ended := d.crew.ended.Next()
		other := d.crew.predecessor(d)
		if other == "" {
			return
		}
		d.hear(ctx, task.Progress{Words: fmt.Sprintf("waits for the end of task %s, which had its slot on this node before", other)})
		select {
		case <-ended:
		case <-acting.Done():
		}
	}
}

// predecessor is the ID of a task that ends and had the slot of d's before, or may
// have had it: of what no manager knows only the ID is known. It is empty if there is
// none.
func (c *crew) predecessor(d *driver) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, other := range c.tasks {
		stranger := other.task.ServiceID == ""
		if other != d && (stranger || other.task.ServiceID == d.task.ServiceID && other.task.Slot == d.task.Slot) && other.ending(stranger) {
			return id
		}
	}
	return ""
}

// ending reports that the task is to end and has not. Of a stranger's process nothing
// is known until nothing of it is left.
func (d *driver) ending(stranger bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if stranger {
		return d.forgotten && !d.life.Over()
	}
	return d.life.Desired >= specs.StateShutdown && !d.life.Seen.State.Final()
}
