package store

import (
	"fmt"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// Draft is a working copy of a snapshot: reads see the transactions applied so
// far. It belongs to one goroutine.
type Draft struct {
	Snapshot
	done []specs.Transaction
}

// Draft starts a working copy whose writes get the version index.
func (s Snapshot) Draft(index uint64) *Draft {
	return &Draft{Snapshot: Snapshot{index: index, t: s.t.fork()}}
}

// Apply applies the transaction wholly, or returns an error that wraps
// ErrConflict and leaves the draft as it was.
func (d *Draft) Apply(tx specs.Transaction) error {
	before := d.t.fork()
	for i, change := range tx {
		if err := d.change(change); err != nil {
			d.t = before
			return fmt.Errorf("change %d: %w", i+1, err)
		}
	}
	d.collectSpecs(tx)
	d.done = append(d.done, tx)
	return nil
}

// Frozen returns what the draft is now. The draft may be changed further.
func (d *Draft) Frozen() Snapshot { return Snapshot{index: d.index, t: d.t.fork()} }

// Transactions returns what was applied, in order.
func (d *Draft) Transactions() []specs.Transaction { return d.done }

// change applies one row; the caller undoes what a failed transaction left.
func (d *Draft) change(c specs.Change) error {
	switch {
	case c.TaskSpec != nil:
		h := string(encoding.HashTaskSpec(*c.TaskSpec))
		if _, ok := d.t.taskSpecs.get(h); !ok {
			d.t.taskSpecs.set(h, taskSpecRow{spec: *c.TaskSpec})
		}
		return nil
	case c.Cluster != nil:
		row := *c.Cluster
		row.Version = d.index
		d.t.cluster = &row
		return nil
	}
	return conflict("empty change")
}

func (d *Draft) collectSpecs(specs.Transaction) {}
