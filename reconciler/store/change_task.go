package store

import "github.com/swarmgit/swarmgit/specs"

// createOrForgetTask: the base of forgetting is WantVersion.
func (d *Draft) createOrForgetTask(p *specs.Patch[specs.Task]) error {
	old := d.t.tasks.row(p.ID)
	if err := checkOnce("task", p, old, func() uint64 { return old.WantVersion }); err != nil {
		return err
	}
	if p.Value == nil {
		d.swapTask(old, nil)
		return d.moveRefs([]specs.Hash{old.Spec}, nil)
	}
	row := *p.Value
	if err := checkName("task", p.ID, row.ID); err != nil {
		return err
	}
	row.ID, row.WantVersion, row.SeenVersion = p.ID, d.index, 0
	return d.createTask(&row)
}

func (d *Draft) createTask(row *specs.Task) error {
	if d.t.services.row(row.ServiceID) == nil {
		return conflict("task %s: service %s is gone", row.ID, row.ServiceID)
	}
	if row.Spec == "" {
		return conflict("task %s names no task spec", row.ID)
	}
	if err := d.moveRefs(nil, []specs.Hash{row.Spec}); err != nil {
		return err
	}
	d.t.share(row)
	d.swapTask(nil, row)
	return nil
}

func (d *Draft) setTaskWant(p *specs.Patch[specs.TaskWant]) error {
	old := d.t.tasks.row(p.ID)
	if err := checkGroup("task", p, old, func() uint64 { return old.WantVersion }); err != nil {
		return err
	}
	if node := old.Want.Node; node != "" && p.Value.Node != node {
		return conflict("task %s is on node %s and never moves", p.ID, node)
	}
	if p.Value.Desired < old.Want.Desired {
		return conflict("task %s: desired state %s cannot go back to %s", p.ID, old.Want.Desired, p.Value.Desired)
	}
	row := *old
	row.Want, row.WantVersion = *p.Value, d.index
	d.t.share(&row)
	d.swapTask(old, &row)
	return nil
}

// setTaskSeen drops a report that is behind what was seen already, and keeps
// the version: the node, or whoever speaks for it, was merely late. It is no
// conflict, so that one late report does not refuse those beside it.
func (d *Draft) setTaskSeen(p *specs.Patch[specs.TaskSeen]) error {
	old := d.t.tasks.row(p.ID)
	if old != nil && p.Value != nil && p.Value.State < old.Seen.State {
		return nil
	}
	if err := checkGroup("status of task", p, old, func() uint64 { return old.SeenVersion }); err != nil {
		return err
	}
	row := *old
	row.Seen, row.SeenVersion = *p.Value, d.index
	d.swapTask(old, &row)
	return nil
}

// share makes the task's strings those of the rows that they name: 100,000
// tasks of one service hold its ID and its spec's hash once.
func (t tables) share(task *specs.Task) {
	if s := t.services.row(task.ServiceID); s != nil {
		task.ServiceID = s.ID
		if task.ServiceName == s.Spec.Name {
			task.ServiceName = s.Spec.Name
		}
	}
	if s := t.taskSpecs.row(string(task.Spec)); s != nil {
		task.Spec = s.hash
	}
	if n := t.nodes.row(task.Want.Node); n != nil {
		task.Want.Node = n.ID
	}
	if n := t.nodes.row(task.SlotNode); n != nil {
		task.SlotNode = n.ID
	}
}
