package store

import "github.com/swarmgit/swarmgit/specs"

// createOrPruneRevision: the base of pruning is ProgressVersion. A revision is
// created with its first progress.
func (d *Draft) createOrPruneRevision(p *specs.Patch[specs.Revision]) error {
	old := d.t.revisions.row(p.ID)
	if err := checkOnce("revision", p, old, func() uint64 { return old.ProgressVersion }); err != nil {
		return err
	}
	if p.Value == nil {
		swap(d, d.t.revisions, p.ID, old, nil)
		return nil
	}
	row := *p.Value
	if err := checkName("revision", p.ID, row.ID); err != nil {
		return err
	}
	row.ID, row.ProgressVersion = p.ID, d.index
	swap(d, d.t.revisions, p.ID, nil, &row)
	return nil
}

func (d *Draft) setRevisionProgress(p *specs.Patch[specs.RevisionProgress]) error {
	old := d.t.revisions.row(p.ID)
	if err := checkGroup("revision", p, old, func() uint64 { return old.ProgressVersion }); err != nil {
		return err
	}
	row := *old
	row.Progress, row.ProgressVersion = *p.Value, d.index
	swap(d, d.t.revisions, p.ID, old, &row)
	return nil
}
