// Package store is the cluster's memory: tables of services, tasks, nodes,
// revisions and the rest, with versions, snapshots, watches and one way to
// change, Apply.
//
// Readers take a [Snapshot], which is O(1) and never changes. A decider that
// wants to see its own decisions takes a [Draft] of a snapshot, changes it, and
// ships the collected transactions. Apply is the same code on the same draft,
// so that a plan's simulation, a pass's working copy and what Raft applies on
// every manager cannot disagree.
//
// # Who writes what
//
// Every group of fields has one writer and its own version, the index of the
// entry that last wrote it. A patch carries the version its writer looked at.
//
//	group                  written by    as
//	task spec              planner       TaskSpec (by content; counted, collected at zero)
//	service: spec, removed planner       Service (create), Spec
//	service: rollout       converge      Rollout, Service (forget)
//	task: identity, want   converge      Task, TaskWant
//	task: seen             dispatcher    TaskSeen
//	node: spec             api           Node, NodeSpec
//	node: seen             dispatcher    NodeSeen
//	stack                  planner       Stack
//	ref, revision          git           Ref, Revision
//	revision: progress     converge      RevisionProgress
//	source, cluster        api           Source, Cluster
//
// # Determinism
//
// Apply reads no clock and draws no random number: IDs and times arrive in the
// change. Digest is equal on all managers at the same index.
package store

import (
	"errors"
	"fmt"
	"sync"

	"github.com/swarmgit/swarmgit/specs"
)

// ErrConflict is the result of a transaction whose base was overtaken, or that
// names what does not exist. The writer looks again and decides anew.
var ErrConflict = errors.New("conflict")

// Store holds the newest snapshot and tells watchers of newer ones.
type Store struct {
	mu      sync.Mutex
	current Snapshot
	changed chan struct{} // closed and replaced when current changes
}

// New returns an empty store.
func New() *Store {
	return &Store{current: emptySnapshot(), changed: make(chan struct{})}
}

// Snapshot returns the newest state. It is O(1).
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Watch returns the newest state and a channel that closes once a newer one is
// there.
func (s *Store) Watch() (Snapshot, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.changed
}

// Apply applies the transactions of the entry at index, in order. The result
// has one error for each: nil, or one that wraps ErrConflict and left nothing
// of that transaction. It is called by one goroutine.
func (s *Store) Apply(index uint64, txs []specs.Transaction) []error {
	draft := s.Snapshot().Draft(index)
	errs := make([]error, len(txs))
	for i, tx := range txs {
		errs[i] = draft.Apply(tx)
	}
	s.publish(draft.Frozen())
	return errs
}

func (s *Store) publish(next Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = next
	close(s.changed)
	s.changed = make(chan struct{})
}

func conflict(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConflict, fmt.Sprintf(format, args...))
}
