package reconciler

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/secrets"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
)

// arrival is a commit of a source on its way into the cluster, pushed or fetched.
type arrival struct {
	m             *Manager
	source        specs.Source
	old           string // the commit that the source is at; empty before the first
	commit        git.Commit
	rewritten     bool // the commit does not descend from old
	acceptPartial bool
	allowRemoval  bool
	approves      specs.Revision // that awaited approval and that this one carries out; none without an ID

	loaded schema.Result
	owned  []string       // the source's stacks, as it was planned over them
	rev    specs.Revision // that was written
	copies git.Copies     // of the objects, that commit made
}

// load reads the stacks of the commit's tree, with their images resolved as the
// cluster has them in snap.
func (a *arrival) load(ctx context.Context, snap store.Snapshot, files fs.FS) {
	a.loaded = a.m.load(ctx, snap, files, schema.Options{Path: a.source.Path}, a.m.lookups())
}

// plan says what the commit would do over snap, and why it cannot be taken if so.
func (a *arrival) plan(snap store.Snapshot, title string) (planner.Plan, specs.Transaction, []specs.Problem) {
	a.owned = ownedBy(snap, a.source.Name)
	plan, tx := a.m.propose(snap, planRequest{
		source: a.source, loaded: a.loaded, revision: a.commit.Hash, title: title,
		acceptPartial: a.acceptPartial, allowRemoval: a.allowRemoval,
	})
	return plan, tx, refusals(plan, tx, a.loaded, a.acceptPartial)
}

// revision is the commit's row, without what became of it.
func (a *arrival) revision(snap store.Snapshot) specs.Revision {
	return specs.Revision{
		ID: nextRevisionID(snap, a.commit.Hash), Source: a.source.Name, Commit: a.commit.Hash, Rewritten: a.rewritten,
		Author: a.commit.Author, Subject: a.commit.Subject, Created: a.m.raft.Now(),
		Stacks: len(a.loaded.Stacks),
	}
}

// remember writes down a commit that is not taken, so that people see it: one
// that is refused, or waits for approval.
func (a *arrival) remember(ctx context.Context, state specs.RevisionState, problems []specs.Problem) error {
	return a.m.change(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		rev := a.revision(snap)
		rev.Problems, rev.Warnings = problems, a.loaded.Warnings
		rev.Progress = specs.RevisionProgress{State: state, Since: rev.Created, Reason: problems[0].String()}
		tx := append(specs.Transaction{{Revision: specs.Insert(rev.ID, rev)}}, a.overtake(snap)...)
		return append(tx, prune(snap)...), nil
	})
}

// overtake ends the waiting of the source's other commits.
func (a *arrival) overtake(snap store.Snapshot) specs.Transaction {
	var tx specs.Transaction
	for rev := range snap.Revisions() {
		if rev.Source != a.source.Name || rev.Progress.State != specs.RevisionAwaiting || rev.ID == a.approves.ID {
			continue
		}
		ended := specs.RevisionProgress{State: specs.RevisionSuperseded, Since: a.m.raft.Now()}
		tx = append(tx, specs.Change{RevisionProgress: specs.Set(rev.ID, rev.ProgressVersion, ended)})
	}
	return tx
}

// replicate has the commit's objects stored by a majority of the managers.
func (a *arrival) replicate(ctx context.Context) error {
	if a.commit.Hash == "" || a.m.repository == nil {
		return nil
	}
	have := slices.Compact(slices.Sorted(maps.Values(a.m.Refs())))
	var err error
	a.copies, err = a.m.repository.Replicate(ctx, a.m.others(), a.commit.Hash, have)
	return err
}

// settle makes the commit true: where the source is, the revision and the
// services. The ref's move is the first change of the transaction. A stack that
// the source was given since the plan would be removed without a word.
func (a *arrival) settle(snap store.Snapshot, ref specs.Ref) (specs.Transaction, error) {
	if owned := ownedBy(snap, a.source.Name); !slices.Equal(owned, a.owned) {
		return nil, fmt.Errorf("the stacks of source %s changed meanwhile (swarmgit source adopt), and the plan does not hold: try again", a.source.Name)
	}
	tx := specs.Transaction{{Ref: specs.Set(ref.Name, ref.Version, specs.Ref{Name: ref.Name, Commit: a.commit.Hash})}}
	wanted, refused := secrets.Resolve(snap, a.loaded.Stacks)
	if len(refused) > 0 {
		return nil, errors.New(refused[0].String())
	}
	changes, refused := planner.Changes(snap, a.source.Name, a.commit.Hash, wanted, newID, a.m.raft.Now())
	if len(refused) > 0 {
		return nil, errors.New(refused[0].String())
	}
	a.rev = a.revision(snap)
	a.rev.Changed, a.rev.Warnings = stacksOf(changes), a.loaded.Warnings
	a.rev.Progress = specs.RevisionProgress{State: specs.RevisionRollingOut, Since: a.rev.Created}
	tx = append(tx, changes...)
	if a.approves.ID != "" {
		tx = append(tx, specs.Change{Revision: specs.Remove[specs.Revision](a.approves.ID, a.approves.ProgressVersion)})
	}
	tx = append(tx, a.overtake(snap)...)
	tx = append(tx, specs.Change{Revision: specs.Insert(a.rev.ID, a.rev)})
	return append(tx, prune(snap)...), nil
}

// ownedBy are the names of the stacks that belong to a source.
func ownedBy(snap store.Snapshot, source string) []string {
	var names []string
	for stack := range snap.Stacks() {
		if stack.Source == source {
			names = append(names, stack.Name)
		}
	}
	return names
}

// changeAttempts is how often change looks again after a conflict: a decision
// about one of the same rows came first.
const changeAttempts = 5

// change proposes what decide makes of the newest state, again after a conflict.
// An error of decide ends it. The outcome of a proposal can be unknown:
// consensus.ErrOutcomeUnknown.
func (m *Manager) change(ctx context.Context, decide func(store.Snapshot) (specs.Transaction, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNoAnswer)
	defer cancel()
	for range changeAttempts {
		tx, err := decide(m.store.Snapshot())
		if err != nil || len(tx) == 0 {
			return err
		}
		refused, err := m.proposeOnce(ctx, tx)
		switch {
		case err != nil:
			return err
		case refused == nil:
			return nil
		case !errors.Is(refused, store.ErrConflict):
			return refused
		}
	}
	return fmt.Errorf("the cluster changed meanwhile, %d times: try again", changeAttempts)
}

// arrived waits for the store to say that the ref is at the commit, after a
// proposal whose outcome is not known.
func (m *Manager) arrived(ctx context.Context, ref, commit string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		snap, changed := m.store.Watch()
		if row, _ := snap.Ref(ref); row.Commit == commit {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return consensus.ErrOutcomeUnknown
		}
	}
}
