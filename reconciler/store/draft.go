package store

import (
	"fmt"
	"slices"

	"github.com/swarmgit/swarmgit/specs"
)

// Draft is a working copy of a snapshot: reads see the transactions applied so
// far. It belongs to one goroutine.
//
// The embedded Snapshot is a live view: it, and any copy of it, shows later
// transactions too. That is what a rule wants that decides key after key. Take
// Frozen for what must stay as it is, and before applying from inside a loop
// over one of its sequences.
type Draft struct {
	Snapshot
	done  []specs.Transaction // what was applied, in order
	undo  []func()            // of the transaction that is being applied, oldest first
	loose map[string]struct{} // hashes of task specs that may have no reference left
	idle  map[string]struct{} // versions of payloads likewise
}

// Draft starts a working copy whose writes get the version index. A decider
// takes the snapshot's Index()+1. It writes a group of a row once: the base of
// a second write would be an index that the entry will not have in Raft.
func (s Snapshot) Draft(index uint64) *Draft {
	return &Draft{Snapshot: Snapshot{index: index, t: s.t.fork()}, loose: map[string]struct{}{}, idle: map[string]struct{}{}}
}

// Apply applies the transaction wholly, or returns an error that wraps
// ErrConflict and leaves the draft as it was. The draft keeps tx and what it
// points to; the caller does not modify them any more.
func (d *Draft) Apply(tx specs.Transaction) error {
	for i, change := range tx {
		if err := d.change(change); err != nil {
			d.rollBack()
			return fmt.Errorf("change %d: %w", i+1, err)
		}
	}
	d.collectTaskSpecs()
	d.collectPayloads()
	clear(d.undo)
	d.undo = d.undo[:0]
	d.done = append(d.done, tx)
	return nil
}

func (d *Draft) rollBack() {
	for _, undo := range slices.Backward(d.undo) {
		undo()
	}
	clear(d.undo)
	d.undo = d.undo[:0]
	clear(d.loose)
	clear(d.idle)
}

// Frozen returns what the draft is now. The draft may be changed further.
func (d *Draft) Frozen() Snapshot { return Snapshot{index: d.index, t: d.t.freeze()} }

// swap replaces the row old of a table without indexes; nil is no row.
func swap[T any](d *Draft, t table[T], id string, old, row *T) {
	t.put(id, row)
	d.undo = append(d.undo, func() { t.put(id, old) })
}

func (d *Draft) swapService(old, row *specs.Service) {
	d.t.putService(old, row)
	d.undo = append(d.undo, func() { d.t.putService(row, old) })
}

func (d *Draft) swapTask(old, row *specs.Task) {
	d.t.putTask(old, row)
	d.undo = append(d.undo, func() { d.t.putTask(row, old) })
}
