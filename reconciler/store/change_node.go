package store

import "github.com/swarmgit/swarmgit/specs"

// createOrForgetNode: the base of forgetting is SpecVersion. Tasks of a node
// that is forgotten keep its name; converge sees that it is gone.
func (d *Draft) createOrForgetNode(p *specs.Patch[specs.Node]) error {
	old := d.t.nodes.row(p.ID)
	if err := checkOnce("node", p, old, func() uint64 { return old.SpecVersion }); err != nil {
		return err
	}
	if p.Value == nil {
		swap(d, d.t.nodes, p.ID, old, nil)
		return nil
	}
	row := *p.Value
	if err := checkName("node", p.ID, row.ID); err != nil {
		return err
	}
	row.ID, row.SpecVersion, row.SeenVersion = p.ID, d.index, 0
	swap(d, d.t.nodes, p.ID, nil, &row)
	return nil
}

func (d *Draft) setNodeSpec(p *specs.Patch[specs.NodeSpec]) error {
	old := d.t.nodes.row(p.ID)
	if err := checkGroup("node", p, old, func() uint64 { return old.SpecVersion }); err != nil {
		return err
	}
	row := *old
	row.Spec, row.SpecVersion = *p.Value, d.index
	swap(d, d.t.nodes, p.ID, old, &row)
	return nil
}

func (d *Draft) setNodeSeen(p *specs.Patch[specs.NodeSeen]) error {
	old := d.t.nodes.row(p.ID)
	if err := checkGroup("status of node", p, old, func() uint64 { return old.SeenVersion }); err != nil {
		return err
	}
	row := *old
	row.Seen, row.SeenVersion = *p.Value, d.index
	swap(d, d.t.nodes, p.ID, old, &row)
	return nil
}
