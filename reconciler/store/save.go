package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// Format is the number at the head of a saved snapshot. A node reads the
// formats that it knows and stops at any other.
const Format = 1

// A saved snapshot is the format, the index, the records of all rows, and an
// end record, each one CBOR item.

// record is one row. Exactly one field is set.
type record struct {
	Cluster   *specs.Cluster   `json:"cluster,omitempty"`
	Authority *specs.Authority `json:"authority,omitempty"`
	Source    *specs.Source    `json:"source,omitempty"`
	Ref       *specs.Ref       `json:"ref,omitempty"`
	Stack     *specs.StackRow  `json:"stack,omitempty"`
	Review    *specs.Review    `json:"review,omitempty"`
	Revision  *specs.Revision  `json:"revision,omitempty"`
	Node      *specs.Node      `json:"node,omitempty"`
	Payload   *specs.Payload   `json:"payload,omitempty"`
	External  *specs.External  `json:"external,omitempty"`
	TaskSpec  *specs.TaskSpec  `json:"task_spec,omitempty"`
	Service   *specs.Service   `json:"service,omitempty"`
	Task      *specs.Task      `json:"task,omitempty"`
	End       *int             `json:"end,omitempty"` // the number of records before
}

// records yields all rows, what is named before who names it, by ID within a
// table.
func (t tables) records() iter.Seq[record] {
	return func(yield func(record) bool) {
		_ = walk(t.cluster, yield, func(r *specs.Cluster) record { return record{Cluster: r} }) &&
			walk(t.authority, yield, func(r *specs.Authority) record { return record{Authority: r} }) &&
			walk(t.sources, yield, func(r *specs.Source) record { return record{Source: r} }) &&
			walk(t.refs, yield, func(r *specs.Ref) record { return record{Ref: r} }) &&
			walk(t.stacks, yield, func(r *specs.StackRow) record { return record{Stack: r} }) &&
			walk(t.reviews, yield, func(r *specs.Review) record { return record{Review: r} }) &&
			walk(t.revisions, yield, func(r *specs.Revision) record { return record{Revision: r} }) &&
			walk(t.nodes, yield, func(r *specs.Node) record { return record{Node: r} }) &&
			walk(t.payloads, yield, func(r *payloadRow) record { return record{Payload: r.payload} }) &&
			walk(t.externals, yield, func(r *specs.External) record { return record{External: r} }) &&
			walk(t.taskSpecs, yield, func(r *taskSpecRow) record { return record{TaskSpec: r.spec} }) &&
			walk(t.services, yield, func(r *specs.Service) record { return record{Service: r} }) &&
			walk(t.tasks, yield, func(r *specs.Task) record { return record{Task: r} })
	}
}

func walk[T any](t table[T], yield func(record) bool, wrap func(*T) record) bool {
	for row := range t.rows() {
		if !yield(wrap(row)) {
			return false
		}
	}
	return true
}

// Digest names the content of the snapshot: the SHA-256 of its rows in order.
// It is equal on all managers at the same index, and after a restore.
func (s Snapshot) Digest() specs.Hash {
	sum := sha256.New()
	enc := encoding.NewEncoder(sum)
	for r := range s.t.records() {
		if err := enc.Encode(r); err != nil {
			panic(fmt.Sprintf("digest of the store: %v", err)) // rows always encode
		}
	}
	return specs.Hash(hex.EncodeToString(sum.Sum(nil)))
}

// Digest is Snapshot().Digest().
func (s *Store) Digest() specs.Hash { return s.Snapshot().Digest() }

// Save writes the snapshot for Restore. Task specs are written once.
func (s Snapshot) Save(enc encoding.Encoder) error {
	count := 0
	err := errors.Join(enc.Encode(Format), enc.Encode(s.index))
	for r := range s.t.records() {
		if err = enc.Encode(r); err != nil {
			break
		}
		count++
	}
	if err == nil {
		err = enc.Encode(record{End: &count})
	}
	if err != nil {
		return fmt.Errorf("save the store at index %d: %w", s.index, err)
	}
	return nil
}

// Restore replaces the whole state by one that Save wrote. An unknown format or
// field and a cut or torn file are errors, and leave the store as it was.
func (s *Store) Restore(dec encoding.Decoder) error {
	restored, err := load(dec)
	if err != nil {
		return fmt.Errorf("restore the store: %w", err)
	}
	s.publish(restored, (*Feed).touchAll)
	return nil
}

func load(dec encoding.Decoder) (Snapshot, error) {
	d := emptySnapshot().Draft(0)
	format := 0
	if err := dec.Decode(&format); err != nil {
		return Snapshot{}, fmt.Errorf("read the format: %w", err)
	}
	if format != Format {
		return Snapshot{}, fmt.Errorf("the snapshot has format %d, this swarmgit reads %d: run the release that wrote it", format, Format)
	}
	if err := dec.Decode(&d.index); err != nil {
		return Snapshot{}, fmt.Errorf("read the index: %w", err)
	}
	for count := 0; ; count++ {
		var r record
		if err := dec.Decode(&r); err != nil {
			return Snapshot{}, fmt.Errorf("read record %d: %w", count+1, err)
		}
		if r.End != nil {
			if *r.End != count {
				return Snapshot{}, fmt.Errorf("the snapshot was written with %d records and has %d", *r.End, count)
			}
			return d.Snapshot, nil
		}
		if err := d.restore(r); err != nil {
			return Snapshot{}, fmt.Errorf("record %d: %w", count+1, err)
		}
		d.undo = d.undo[:0]
	}
}

// restore puts the row as it is, with its versions, and counts what it names.
func (d *Draft) restore(r record) error {
	switch {
	case r.Cluster != nil:
		d.t.cluster.put(clusterKey, r.Cluster)
	case r.Authority != nil:
		d.t.authority.put(authorityKey, r.Authority)
	case r.Source != nil:
		d.t.sources.put(r.Source.Name, r.Source)
	case r.Ref != nil:
		d.t.refs.put(r.Ref.Name, r.Ref)
	case r.Stack != nil:
		d.t.stacks.put(r.Stack.Name, r.Stack)
	case r.Review != nil:
		d.t.reviews.put(r.Review.Branch, r.Review)
	case r.Revision != nil:
		d.t.revisions.put(r.Revision.ID, r.Revision)
	case r.Node != nil:
		d.t.nodes.put(r.Node.ID, r.Node)
	case r.Payload != nil:
		d.putPayload(r.Payload)
	case r.External != nil:
		d.t.externals.put(r.External.ID, r.External)
		return d.hold(r.External.Payload)
	case r.TaskSpec != nil:
		return d.putTaskSpec(r.TaskSpec)
	case r.Service != nil:
		d.t.putService(nil, r.Service)
		return d.moveRefs(nil, r.Service.TaskSpecs())
	case r.Task != nil:
		d.t.share(r.Task)
		d.t.putTask(nil, r.Task)
		return d.moveRefs(nil, []specs.Hash{r.Task.Spec})
	default:
		return errors.New("an empty record")
	}
	return nil
}
