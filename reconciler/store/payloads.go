package store

import "github.com/swarmgit/swarmgit/specs"

// payloadRow is one version of a secret or config. It is counted by the task
// specs that are stored and name it, and by externals.
type payloadRow struct {
	payload *specs.Payload
	refs    int
}

func (d *Draft) putPayload(p *specs.Payload) {
	v := string(p.Version)
	if d.t.payloads.row(v) == nil {
		swap(d, d.t.payloads, v, nil, &payloadRow{payload: p})
	}
	d.idle[v] = struct{}{}
}

// hold counts one more name of a payload.
func (d *Draft) hold(version specs.Hash) error {
	if !d.countPayload(version, +1) {
		return conflict("version %s of a secret or config is not stored", version.Short())
	}
	return nil
}

func (d *Draft) drop(version specs.Hash) {
	d.countPayload(version, -1)
	d.idle[string(version)] = struct{}{}
}

func (d *Draft) countPayload(version specs.Hash, by int) bool {
	old := d.t.payloads.row(string(version))
	if old == nil {
		return false
	}
	swap(d, d.t.payloads, string(version), old, &payloadRow{payload: old.payload, refs: old.refs + by})
	return true
}

func (d *Draft) holdPayloads(spec specs.TaskSpec) error {
	for _, ref := range spec.FileRefs {
		if err := d.hold(ref.Version); err != nil {
			return err
		}
	}
	return nil
}

func (d *Draft) dropPayloads(spec specs.TaskSpec) {
	for _, ref := range spec.FileRefs {
		d.drop(ref.Version)
	}
}

func (d *Draft) collectPayloads() {
	for v := range d.idle {
		if row := d.t.payloads.row(v); row != nil && row.refs == 0 {
			d.t.payloads.put(v, nil)
		}
	}
	clear(d.idle)
}

// createOrForgetExternal: one that a service uses is not forgotten.
func (d *Draft) createOrForgetExternal(p *specs.Patch[specs.External]) error {
	old := d.t.externals.row(p.ID)
	if err := checkOnce("external", p, old, func() uint64 { return old.Version }); err != nil {
		return err
	}
	if p.Value == nil {
		for service := range d.UsersOf(old.Kind, old.Name) {
			return conflict("%s %s is used by service %s", old.Kind, old.Name, service.Spec.Name)
		}
		swap(d, d.t.externals, p.ID, old, nil)
		d.drop(old.Payload)
		return nil
	}
	row := *p.Value
	if err := checkName("external", p.ID, specs.ExternalID(row.Kind, row.Name)); err != nil {
		return err
	}
	row.ID, row.Version = p.ID, d.index
	swap(d, d.t.externals, p.ID, nil, &row)
	return d.hold(row.Payload)
}
