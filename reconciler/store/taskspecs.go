package store

import (
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// A task spec is counted by those who name it: a service's Spec.Task,
// Rollout.Target and Rollout.Completed, and a task's Spec. One that nobody
// names at the end of a transaction is removed, so a transaction brings the
// specs that it names for the first time.

func (d *Draft) putTaskSpec(spec *specs.TaskSpec) error {
	h := encoding.HashTaskSpec(*spec)
	if d.t.taskSpecs.row(string(h)) == nil {
		if err := d.holdPayloads(*spec); err != nil {
			return err
		}
		swap(d, d.t.taskSpecs, string(h), nil, &taskSpecRow{hash: h, spec: spec})
	}
	d.loose[string(h)] = struct{}{}
	return nil
}

// moveRefs counts the names in now and discounts those in old. The empty hash
// names nothing.
func (d *Draft) moveRefs(old, now []specs.Hash) error {
	for _, h := range now {
		if h != "" && !d.count(h, +1) {
			return conflict("task spec %s is not stored", h.Short())
		}
	}
	for _, h := range old {
		if h != "" {
			d.count(h, -1)
			d.loose[string(h)] = struct{}{}
		}
	}
	return nil
}

func (d *Draft) count(h specs.Hash, by int) bool {
	old := d.t.taskSpecs.row(string(h))
	if old == nil {
		return false
	}
	swap(d, d.t.taskSpecs, string(h), old, &taskSpecRow{hash: old.hash, spec: old.spec, refs: old.refs + by})
	return true
}

func (d *Draft) collectTaskSpecs() {
	for h := range d.loose {
		if row := d.t.taskSpecs.row(h); row != nil && row.refs == 0 {
			d.dropPayloads(*row.spec)
			d.t.taskSpecs.put(h, nil)
		}
	}
	clear(d.loose)
}
