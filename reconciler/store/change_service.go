package store

import "github.com/swarmgit/swarmgit/specs"

// createOrForgetService: a service is forgotten after it was removed and its
// last task is forgotten. The base of forgetting is SpecVersion, so that a push
// that brings the service back is not overrun.
func (d *Draft) createOrForgetService(p *specs.Patch[specs.Service]) error {
	old := d.t.services.row(p.ID)
	if err := checkOnce("service", p, old, func() uint64 { return old.SpecVersion }); err != nil {
		return err
	}
	if p.Value == nil {
		return d.forgetService(old)
	}
	row := *p.Value
	if err := checkName("service", p.ID, row.ID); err != nil {
		return err
	}
	row.ID, row.SpecVersion, row.RolloutVersion = p.ID, d.index, 0
	return d.replaceService(nil, &row)
}

func (d *Draft) forgetService(old *specs.Service) error {
	if !old.Removed {
		return conflict("service %s is not removed", old.Spec.Name)
	}
	for task := range d.TasksOf(old.ID) {
		return conflict("service %s still has task %s", old.Spec.Name, task.ID)
	}
	d.swapService(old, nil)
	return d.moveRefs(old.TaskSpecs(), nil)
}

func (d *Draft) setServiceWant(p *specs.Patch[specs.ServiceWant]) error {
	old := d.t.services.row(p.ID)
	if err := checkGroup("service", p, old, func() uint64 { return old.SpecVersion }); err != nil {
		return err
	}
	row := *old
	row.Spec, row.Removed, row.SpecVersion = p.Value.Spec, p.Value.Removed, d.index
	return d.replaceService(old, &row)
}

func (d *Draft) setRollout(p *specs.Patch[specs.Rollout]) error {
	old := d.t.services.row(p.ID)
	if err := checkGroup("rollout of service", p, old, func() uint64 { return old.RolloutVersion }); err != nil {
		return err
	}
	row := *old
	row.Rollout, row.RolloutVersion = *p.Value, d.index
	return d.replaceService(old, &row)
}

func (d *Draft) replaceService(old, row *specs.Service) error {
	if row.Spec.Task == "" {
		return conflict("service %s names no task spec", row.Spec.Name)
	}
	if other, ok := d.ServiceNamed(row.Spec.Name); ok && other.ID != row.ID {
		return conflict("service %s: the name is taken by service %s (%s)", row.Spec.Name, other.Spec.Name, other.ID)
	}
	var before []specs.Hash
	if old != nil {
		before = old.TaskSpecs()
	}
	if err := d.moveRefs(before, row.TaskSpecs()); err != nil {
		return err
	}
	d.swapService(old, row)
	return nil
}
