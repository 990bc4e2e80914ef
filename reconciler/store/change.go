package store

import (
	"cmp"

	"github.com/swarmgit/swarmgit/specs"
)

// change applies one row; the caller undoes what a failed transaction left.
func (d *Draft) change(c specs.Change) error {
	switch {
	case c.TaskSpec != nil:
		return d.putTaskSpec(c.TaskSpec)
	case c.Payload != nil:
		d.putPayload(c.Payload)
		return nil
	case c.External != nil:
		return d.createOrForgetExternal(c.External)
	case c.Cluster != nil:
		return d.setCluster(*c.Cluster)
	case c.Authority != nil:
		return d.setAuthority(*c.Authority)
	case c.Source != nil:
		return changeRow(d, d.t.sources, "source", c.Source, sourceHead)
	case c.Ref != nil:
		return changeRow(d, d.t.refs, "ref", c.Ref, refHead)
	case c.Stack != nil:
		return changeRow(d, d.t.stacks, "stack", c.Stack, stackHead)
	case c.Review != nil:
		return changeRow(d, d.t.reviews, "review", c.Review, reviewHead)
	case c.Revision != nil:
		return d.createOrPruneRevision(c.Revision)
	case c.RevisionProgress != nil:
		return d.setRevisionProgress(c.RevisionProgress)
	case c.Service != nil:
		return d.createOrForgetService(c.Service)
	case c.Spec != nil:
		return d.setServiceWant(c.Spec)
	case c.Rollout != nil:
		return d.setRollout(c.Rollout)
	case c.Task != nil:
		return d.createOrForgetTask(c.Task)
	case c.TaskWant != nil:
		return d.setTaskWant(c.TaskWant)
	case c.TaskSeen != nil:
		return d.setTaskSeen(c.TaskSeen)
	case c.Node != nil:
		return d.createOrForgetNode(c.Node)
	case c.NodeSpec != nil:
		return d.setNodeSpec(c.NodeSpec)
	case c.NodeSeen != nil:
		return d.setNodeSeen(c.NodeSeen)
	}
	return conflict("a change that changes nothing")
}

// setCluster replaces the cluster's row. The value's own Version is the base.
func (d *Draft) setCluster(row specs.Cluster) error {
	old := d.t.cluster.row(clusterKey)
	if have := d.Cluster().Version; row.Version != have {
		return outdated("cluster", row.Name, have, row.Version)
	}
	row.Version = d.index
	swap(d, d.t.cluster, clusterKey, old, &row)
	return nil
}

// setAuthority replaces the authority's row, as setCluster does.
func (d *Draft) setAuthority(row specs.Authority) error {
	old := d.t.authority.row(authorityKey)
	if have := d.Authority().Version; row.Version != have {
		return outdated("certificate", "authority", have, row.Version)
	}
	row.Version = d.index
	swap(d, d.t.authority, authorityKey, old, &row)
	return nil
}

// changeRow creates, replaces or removes a row that has one group only. head
// finds the name and the version in it.
func changeRow[T any](d *Draft, t table[T], kind string, p *specs.Patch[T], head func(*T) (name *string, version *uint64)) error {
	old := t.row(p.ID)
	if err := checkRow(kind, p, old, func() uint64 { _, v := head(old); return *v }); err != nil {
		return err
	}
	var row *T
	if p.Value != nil {
		value := *p.Value
		name, version := head(&value)
		if err := checkName(kind, p.ID, *name); err != nil {
			return err
		}
		row, *name, *version = &value, p.ID, d.index
	}
	swap(d, t, p.ID, old, row)
	return nil
}

func sourceHead(r *specs.Source) (*string, *uint64)  { return &r.Name, &r.Version }
func refHead(r *specs.Ref) (*string, *uint64)        { return &r.Name, &r.Version }
func reviewHead(r *specs.Review) (*string, *uint64)  { return &r.Branch, &r.Version }
func stackHead(r *specs.StackRow) (*string, *uint64) { return &r.Name, &r.Version }

// checkRow holds the base of a patch of a whole row against what is there.
// Base 0 creates; any other is the version of the row that is there.
func checkRow[T any](kind string, p *specs.Patch[T], old *T, have func() uint64) error {
	switch {
	case p.Base == 0 && p.Value == nil:
		return conflict("%s %s: a removal must name the version that it looked at", kind, p.ID)
	case p.Base == 0 && old != nil:
		return conflict("%s %s exists already", kind, p.ID)
	case p.Base == 0:
		return nil
	case old == nil:
		return conflict("%s %s is gone", kind, p.ID)
	case have() != p.Base:
		return outdated(kind, p.ID, have(), p.Base)
	}
	return nil
}

// checkOnce is checkRow for rows that are created and forgotten but never
// replaced: their groups have patches of their own.
func checkOnce[T any](kind string, p *specs.Patch[T], old *T, have func() uint64) error {
	if p.Base != 0 && p.Value != nil {
		return conflict("%s %s: a whole row is created once, then only its groups change", kind, p.ID)
	}
	return checkRow(kind, p, old, have)
}

// checkGroup holds the base of a patch of one group against the group's
// version; a group that was never written has version 0.
func checkGroup[T, G any](kind string, p *specs.Patch[G], old *T, have func() uint64) error {
	switch {
	case old == nil:
		return conflict("%s %s is gone", kind, p.ID)
	case p.Value == nil:
		return conflict("%s %s: a part of a row cannot be removed", kind, p.ID)
	case have() != p.Base:
		return outdated(kind, p.ID, have(), p.Base)
	}
	return nil
}

func checkName(kind, id, name string) error {
	if cmp.Or(name, id) != id || id == "" {
		return conflict("%s %q: the row calls itself %q", kind, id, name)
	}
	return nil
}

func outdated(kind, id string, have, base uint64) error {
	return conflict("%s %s has changed: it is at version %d, the change was made for %d", kind, id, have, base)
}
