// Package store is the cluster's memory: tables of services, tasks, nodes,
// revisions and the rest, with versions, snapshots, watches and one way to
// change, Apply.
//
// Readers take a [Snapshot], which is O(1) and never changes. A decider that
// wants to see its own decisions takes a [Draft] of a snapshot and changes it.
// Apply is the same code on the same draft, so that a plan's simulation, a pass's
// working copy and what Raft applies on every manager cannot disagree.
//
// # Who writes what
//
// Every group of fields has one writer and its own version, the index of the
// entry that last wrote it. A patch carries the version its writer looked at.
//
//	group                  written by    as
//	task spec              planner       TaskSpec (by content; counted, collected at zero)
//	payload                planner, api  Payload (by content; counted, collected at zero)
//	external               api           External (create, forget)
//	service: spec, removed planner       Service (create), Spec; the api restarts by another task spec
//	service: rollout       converge      Rollout, Service (forget)
//	task: identity, want   converge      Task, TaskWant
//	task: seen             dispatcher    TaskSeen
//	node: identity         ca            Node (create: a machine joins)
//	node: spec             api           Node (forget), NodeSpec
//	node: seen             dispatcher    NodeSeen
//	authority              ca            Authority
//	stack                  planner       Stack; the api gives it to another source
//	ref, revision, review  git           Ref, Revision, Review
//	revision: progress     converge      RevisionProgress; git, that a waiting one was overtaken
//	source, cluster        api           Source, Cluster
//
// # Bases and conflicts
//
// A patch of a group names the group's version as its base; a group that was
// never written has version 0. A patch of a whole row creates it with base 0
// and forgets it with the version of its first group: SpecVersion of services
// and nodes, WantVersion of tasks, ProgressVersion of revisions, Version of the
// rest. The rows of the cluster and of the authority carry their base in their
// own Version. A transaction is refused wholly, with [ErrConflict], if a base
// was overtaken, a row is missing or exists already, a task spec is named that
// is neither stored nor brought along, or a payload, an external secret or config
// is forgotten that a service uses, a service name is taken (case does not
// count), a task would change its node or lower its desired state, or a service
// is forgotten that is not removed or still has tasks. One thing is dropped
// without a word: a status that is behind the one that is stored, because it
// was merely late.
//
// A task spec lives as long as a service or a task names it, and is collected
// at the end of the transaction that took the last name away. So a transaction
// brings each spec that it names for the first time, and cutting a batch into
// entries changes nothing. A payload, one version of a secret or config, lives
// likewise as long as a task spec or an external one names it.
//
// # State and locks
//
// Tables are copy-on-write trees of rows that are never modified. A Draft owns
// its trees until it is published; a published snapshot is written by nobody,
// so readers and drafts of it need no lock. Store.mu guards only which snapshot
// is newest and who is told.
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
	"github.com/swarmgit/swarmgit/specs/bell"
)

// ErrConflict is the result of a transaction whose base was overtaken, or that
// names what does not exist. The writer looks again and decides anew.
var ErrConflict = errors.New("conflict")

// Store holds the newest snapshot and tells watchers of newer ones.
type Store struct {
	mu      sync.Mutex
	current Snapshot
	changed bell.Bell // when current changes
	feeds   map[*Feed]struct{}
}

// New returns an empty store.
func New() *Store {
	return &Store{current: emptySnapshot(), feeds: map[*Feed]struct{}{}}
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
	return s.current, s.changed.Next()
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
	s.publish(draft.Snapshot, func(f *Feed) { f.touch(draft.done) })
	return errs
}

// publish makes next the newest state, and has tell say to each feed what has
// changed.
func (s *Store) publish(next Snapshot, tell func(*Feed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = next
	for feed := range s.feeds {
		tell(feed)
	}
	s.changed.Ring()
}

func conflict(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConflict, fmt.Sprintf(format, args...))
}
