package reconciler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
)

// Refs is what the store says of the cluster's own remote.
func (m *Manager) Refs() map[string]string {
	refs := make(map[string]string)
	for ref := range m.store.Snapshot().Refs() {
		refs[ref.Name] = ref.Commit
	}
	return refs
}

// push is one push between its check and its end.
type push struct {
	git.Push
	m      *Manager
	loaded schema.Result
	rev    specs.Revision // that Commit wrote
	copies git.Copies     // that Commit made of the objects
}

// Check loads and plans the pushed tree and says so. Nothing is changed, but
// that a refused commit of the followed branch is remembered as a revision.
func (m *Manager) Check(ctx context.Context, p git.Push, out io.Writer) (git.Checked, error) {
	checked := &push{Push: p, m: m}
	if p.New == "" || p.Again() {
		return checked, nil
	}
	if m.Leader() != m.cfg.NodeID {
		return nil, errors.New("no manager leads right now: push again in a moment")
	}
	checked.loaded = m.loader.Load(ctx, p.Files, schema.Options{})
	plan, tx := m.propose(ctx, m.store.Snapshot(), planRequest{
		loaded: checked.loaded, revision: p.New, title: checked.title(),
		acceptPartial: p.Has(git.OptionAcceptPartial), allowRemoval: p.Has(git.OptionAllowRemoval),
	})
	if problems := refusals(plan, checked.loaded, p.Has(git.OptionAcceptPartial)); len(problems) > 0 {
		checked.remember(ctx, problems)
		return nil, checked.refuse(out, problems)
	}
	fmt.Fprintf(out, "%s, %d changed\n\n", plural(len(checked.loaded.Stacks), "stack"), len(stacksOf(tx)))
	if err := plan.Text(out, planner.TextOptions{Width: git.Width}); err != nil {
		return nil, err
	}
	return checked, nil
}

// title follows the word Plan.
func (p *push) title() string {
	at := commitOf(p.m.store.Snapshot())
	switch {
	case !p.Followed && at != "":
		return fmt.Sprintf("of %s over %s %s", p.Branch(), p.m.followed(), git.Short(at))
	case !p.Followed:
		return "of " + p.Branch()
	case at != "":
		return "over " + git.Short(at)
	}
	return "of " + p.Push.Commit.Short()
}

// refusals are the reasons why a commit cannot be taken: mistakes in its files,
// else what the plan refuses. Only mistakes can be listed while there are some.
func refusals(plan planner.Plan, loaded schema.Result, acceptPartial bool) []specs.Problem {
	if problems := loaded.Refusals(acceptPartial); len(problems) > 0 {
		return problems
	}
	return plan.Refusals
}

func (p *push) refuse(out io.Writer, problems []specs.Problem) error {
	fmt.Fprintln(out)
	partial := 0
	for _, problem := range problems {
		writeProblem(out, problem)
		if problem.Partial {
			partial++
		}
	}
	if partial == len(problems) {
		fmt.Fprintf(out, "\nGo on without what is not built yet: git push -o %s\n", git.OptionAcceptPartial)
	}
	return errors.New(plural(len(problems), "problem"))
}

// remember writes a refused commit of the followed branch down, so that
// "swarmgit revisions" shows it. A refusal stands whether or not that works.
func (p *push) remember(ctx context.Context, problems []specs.Problem) {
	if !p.Followed {
		return
	}
	snap := p.m.store.Snapshot()
	rev := p.revision(snap)
	rev.Problems, rev.Warnings = problems, p.loaded.Warnings
	rev.Progress = specs.RevisionProgress{State: specs.RevisionRefused, Since: rev.Created, Reason: problems[0].String()}
	tx := append(specs.Transaction{{Revision: specs.Insert(rev.ID, rev)}}, prune(snap)...)
	if _, err := p.m.raft.Propose(ctx, []specs.Transaction{tx}); err != nil {
		p.m.log.WarnContext(ctx, "a refused revision was not written down", "commit", p.New, "err", err)
	}
}

// revision is the row of the pushed commit, without what became of it.
func (p *push) revision(snap store.Snapshot) specs.Revision {
	return specs.Revision{
		ID: nextRevisionID(snap, p.New), Source: specs.MainSource, Commit: p.New,
		Author: p.Push.Commit.Author, Subject: p.Push.Commit.Subject, Created: p.m.raft.Now(),
		Stacks: len(p.loaded.Stacks),
	}
}

// commitAttempts is how often Commit looks again after a conflict that was not
// about the ref: a decision about one of its services came first.
const commitAttempts = 5

// Commit has the objects stored by a majority of the managers. Then it makes the
// push true in one transaction: the ref, the revision and the services.
func (p *push) Commit(ctx context.Context) error {
	if err := p.replicate(ctx); err != nil || p.Again() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for range commitAttempts {
		snap := p.m.store.Snapshot()
		tx, err := p.transaction(snap)
		if err != nil {
			return err
		}
		errs, err := p.m.raft.Propose(ctx, []specs.Transaction{tx})
		switch {
		case errors.Is(err, consensus.ErrOutcomeUnknown):
			return p.lookUp(ctx)
		case err != nil:
			return err
		case errs[0] == nil:
			return nil
		case !errors.Is(errs[0], store.ErrConflict):
			return errs[0]
		}
	}
	return fmt.Errorf("the cluster changed under the push %d times: push again", commitAttempts)
}

// transaction is all that the push changes, as the cluster is in snap.
func (p *push) transaction(snap store.Snapshot) (specs.Transaction, error) {
	ref, _ := snap.Ref(p.Ref)
	if ref.Commit != p.Old && ref.Commit == "" {
		return nil, fmt.Errorf("%w: %s was deleted meanwhile: git fetch, then push again", git.ErrConflict, p.Branch())
	}
	if ref.Commit != p.Old {
		return nil, fmt.Errorf("%w: %s is at %s: git fetch, then push again", git.ErrConflict, p.Branch(), git.Short(ref.Commit))
	}
	if p.New == "" {
		return specs.Transaction{{Ref: specs.Remove[specs.Ref](p.Ref, ref.Version)}}, nil
	}
	tx := specs.Transaction{{Ref: specs.Set(p.Ref, ref.Version, specs.Ref{Name: p.Ref, Commit: p.New})}}
	if !p.Followed {
		return tx, nil
	}
	changes, refused := planner.Changes(snap, specs.MainSource, p.New, p.loaded.Stacks, newID, p.m.raft.Now())
	if len(refused) > 0 {
		return nil, errors.New(refused[0].String())
	}
	p.rev = p.revision(snap)
	p.rev.Changed, p.rev.Warnings = stacksOf(changes), p.loaded.Warnings
	p.rev.Progress = specs.RevisionProgress{State: specs.RevisionRollingOut, Since: p.rev.Created}
	tx = append(tx, changes...)
	tx = append(tx, specs.Change{Revision: specs.Insert(p.rev.ID, p.rev)})
	return append(tx, prune(snap)...), nil
}

// lookUp waits for the store to say whether a proposal was taken whose outcome
// is not known.
func (p *push) lookUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		snap, changed := p.m.store.Watch()
		if ref, _ := snap.Ref(p.Ref); ref.Commit == p.New {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: unknown whether %s moved: git fetch", git.ErrOutcomeUnknown, p.Branch())
		}
	}
}

// Follow tells what becomes of the push until that is clear, or the client went
// away.
func (p *push) Follow(ctx context.Context, out io.Writer) error {
	if !p.Followed || p.New == "" {
		return nil
	}
	tell := func(line string) error {
		if len(line) > git.Width {
			line = strings.TrimSuffix(git.Wrap(line, "    "), "\n")
		}
		_, err := io.WriteString(out, line+"\n")
		return err
	}
	_, err := p.m.follow(ctx, p.rev.ID, tell)
	if ctx.Err() != nil { // the client is gone, or this daemon stops
		return tell("not watched any more; the rollout goes on: swarmgit wait " + git.Short(p.New))
	}
	return err
}

// keptRevisions is how many revisions the cluster remembers.
const keptRevisions = 200

// prune forgets the oldest revisions, but none that is under way and not the one
// that the cluster is at: any number of refused pushes may have come after it.
func prune(snap store.Snapshot) specs.Transaction {
	count, at := 0, commitOf(snap)
	for range snap.Revisions() {
		count++
	}
	var tx specs.Transaction
	for rev := range snap.Revisions() {
		if count-len(tx) < keptRevisions {
			break
		}
		if rev.Progress.State.Ended() && rev.Commit != at {
			tx = append(tx, specs.Change{Revision: specs.Remove[specs.Revision](rev.ID, rev.ProgressVersion)})
		}
	}
	return tx
}

// nextRevisionID follows the newest revision's: a counter, then the commit, so
// that revisions sort as they came.
func nextRevisionID(snap store.Snapshot, commit string) string {
	last := 0
	for rev := range snap.Revisions() {
		// An ID that we did not write would read as 0 and only sort first.
		_, _ = fmt.Sscanf(rev.ID, "%010d", &last)
	}
	return fmt.Sprintf("%010d-%s", last+1, git.Short(commit))
}

// stacksOf are the names of the stacks that a transaction changes.
func stacksOf(tx specs.Transaction) []string {
	var names []string
	for _, change := range tx {
		if change.Stack != nil {
			names = append(names, change.Stack.ID)
		}
	}
	return names
}

// followed is the branch that the cluster follows.
func (m *Manager) followed() string {
	source, _ := m.store.Snapshot().Source(specs.MainSource)
	return source.Branch
}

// commitOf is the commit that the cluster is at, "" before the first push.
func commitOf(snap store.Snapshot) string {
	source, _ := snap.Source(specs.MainSource)
	ref, _ := snap.Ref("refs/heads/" + source.Branch)
	return ref.Commit
}
