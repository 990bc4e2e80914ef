package reconciler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
)

// Refs is what the store says of the cluster's own remote, and where its outside
// sources are.
func (m *Manager) Refs() map[string]string {
	refs := make(map[string]string)
	for ref := range m.store.Snapshot().Refs() {
		if ref.Commit != "" {
			refs[ref.Name] = ref.Commit
		}
	}
	return refs
}

// push is one push between its check and its end.
type push struct {
	git.Push
	arrival
	began   time.Time
	planned planner.Plan // by Check
}

// Check loads and plans the pushed tree and says so. Nothing is changed, but
// that a refused commit of the followed branch is remembered as a revision.
func (m *Manager) Check(ctx context.Context, p git.Push, out io.Writer) (git.Checked, error) {
	checked := &push{Push: p, arrival: m.arrivalOf(p), began: time.Now()}
	if p.New == "" || p.Again() {
		return checked, nil
	}
	if m.Leader() != m.cfg.NodeID {
		return nil, errNobodyLeads
	}
	snap := m.store.Snapshot()
	checked.load(ctx, snap, p.Files)
	plan, tx, problems := checked.plan(snap, checked.title(snap))
	if len(problems) > 0 {
		m.metrics.Push("refused", time.Since(checked.began))
		checked.remember(ctx, problems)
		return nil, checked.refuse(out, problems)
	}
	fmt.Fprintf(out, "%s, %d changed\n\n", plural(len(checked.loaded.Stacks), "stack"), len(stacksOf(tx)))
	checked.planned = plan
	if err := plan.Text(out, planner.TextOptions{Width: git.Width}); err != nil {
		return nil, err
	}
	return checked, nil
}

// errNobodyLeads is why a push is not taken while nobody can.
var errNobodyLeads = errors.New("no manager leads right now: push again in a moment")

// arrivalOf is a push to the cluster's own remote as a commit that arrives.
func (m *Manager) arrivalOf(p git.Push) arrival {
	return arrival{
		m: m, source: mainSource(m.store.Snapshot()), old: p.Old, commit: p.Commit,
		acceptPartial: p.Has(git.OptionAcceptPartial), allowRemoval: p.Has(git.OptionAllowRemoval),
	}
}

// title follows the word Plan.
func (p *push) title(snap store.Snapshot) string {
	at := commitOf(snap, p.source)
	switch {
	case !p.Followed && at != "":
		return fmt.Sprintf("of %s over %s %s", p.Branch(), p.source.Branch, git.Short(at))
	case !p.Followed:
		return "of " + p.Branch()
	case at != "":
		return "over " + git.Short(at)
	}
	return "of " + p.Push.Commit.Short()
}

// refusals are the reasons why a commit cannot be taken: mistakes in its files,
// else what the plan refuses. Only mistakes can be listed while there are some.
func refusals(plan planner.Plan, tx specs.Transaction, loaded schema.Result, acceptPartial bool) []specs.Problem {
	if problems := loaded.Refusals(acceptPartial); len(problems) > 0 {
		return problems
	}
	return slices.Concat(plan.Refusals, tooMuch(tx))
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

// remember writes a refused commit of the followed branch down. A refusal stands
// whether or not that works.
func (p *push) remember(ctx context.Context, problems []specs.Problem) {
	if !p.Followed {
		return
	}
	if err := p.arrival.remember(ctx, specs.RevisionRefused, problems); err != nil {
		p.m.log.WarnContext(ctx, "a refused revision was not written down", "commit", p.New, "err", err)
	}
}

// Commit has the objects stored by a majority of the managers. Then it makes the
// push true in one transaction: the ref, the revision and the services.
func (p *push) Commit(ctx context.Context) error {
	err := p.commit(ctx)
	result := "committed"
	if err != nil {
		result = "failed"
	}
	p.m.metrics.Push(result, time.Since(p.began))
	return err
}

func (p *push) commit(ctx context.Context) error {
	if err := p.replicate(ctx); err != nil || p.Again() {
		return err
	}
	switch err := p.m.change(ctx, p.transaction); {
	case errors.Is(err, consensus.ErrOutcomeUnknown):
		return p.lookUp(ctx)
	case errors.Is(err, consensus.ErrNotLeader):
		return errNobodyLeads
	case errors.Is(err, errNoAnswer):
		return fmt.Errorf("nothing has moved: %w: push again", err)
	case errors.Is(err, consensus.ErrDiskFull):
		return fmt.Errorf("nothing has moved: manager %s: %w", p.m.hostname(p.m.cfg.NodeID), err)
	default:
		return err
	}
}

// lookUp asks the store whether a proposal was taken whose outcome is not known.
func (p *push) lookUp(ctx context.Context) error {
	if p.m.arrived(ctx, p.Ref, p.New) != nil {
		return fmt.Errorf("%w: unknown whether %s moved: git fetch", git.ErrOutcomeUnknown, p.Branch())
	}
	return nil
}

// Copies counts the managers that have the push's objects.
func (p *push) Copies() git.Copies { return p.copies }

// transaction is all that the push changes, as the cluster is in snap.
func (p *push) transaction(snap store.Snapshot) (specs.Transaction, error) {
	ref, _ := snap.Ref(p.Ref)
	ref.Name = p.Ref
	if ref.Commit != p.Old && ref.Commit == "" {
		return nil, fmt.Errorf("%w: %s was deleted meanwhile: git fetch, then push again", git.ErrConflict, p.Branch())
	}
	if ref.Commit != p.Old {
		return nil, fmt.Errorf("%w: %s is at %s: git fetch, then push again", git.ErrConflict, p.Branch(), git.Short(ref.Commit))
	}
	if p.Old == "" {
		for other := range snap.Refs() {
			if git.Nested(p.Ref, other.Name) {
				return nil, fmt.Errorf("there is a branch %s by now, and Git keeps no branch inside another", strings.TrimPrefix(other.Name, "refs/heads/"))
			}
		}
	}
	switch {
	case p.New == "":
		return append(specs.Transaction{{Ref: specs.Remove[specs.Ref](p.Ref, ref.Version)}}, p.reviewed(snap)...), nil
	case !p.Followed:
		tx := specs.Transaction{{Ref: specs.Set(p.Ref, ref.Version, specs.Ref{Name: p.Ref, Commit: p.New})}}
		return append(tx, p.reviewed(snap)...), nil
	}
	return p.settle(snap, ref)
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
	rev, err := p.m.follow(ctx, p.rev.ID, tell)
	switch {
	case context.Cause(ctx) == api.ErrTokenGone:
		return tell("the token was removed or has expired: " + p.unwatched())
	case ctx.Err() != nil: // the client is gone, or this daemon stops
		return tell(p.unwatched())
	case err == nil && rev.Progress.State == specs.RevisionPaused:
		return tell("(git says ok because the commit is in; `swarmgit wait` exits 3)")
	}
	return err
}

func (p *push) unwatched() string {
	return "not watched any more; the rollout goes on: swarmgit wait " + git.Short(p.New)
}

// keptRevisions is how many revisions the cluster remembers of each source.
const keptRevisions = 200

// prune forgets the oldest revisions, but none that is under way and none that a
// source is at: any number of refused ones may have come after it.
func prune(snap store.Snapshot) specs.Transaction {
	count, at := make(map[string]int), make(map[string]string)
	for rev := range snap.Revisions() {
		count[rev.Source]++
	}
	for source := range snap.Sources() {
		ref, _ := snap.Ref(source.Ref())
		at[source.Name] = ref.Applied()
	}
	var tx specs.Transaction
	for rev := range snap.Revisions() {
		if count[rev.Source] >= keptRevisions && rev.Progress.State.Ended() && rev.Commit != at[rev.Source] {
			tx = append(tx, specs.Change{Revision: specs.Remove[specs.Revision](rev.ID, rev.ProgressVersion)})
			count[rev.Source]--
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

// mainSource is the cluster's own remote.
func mainSource(snap store.Snapshot) specs.Source {
	source, _ := snap.Source(specs.MainSource)
	return source
}

// commitOf is the commit that the cluster is at of a source, "" before the first.
func commitOf(snap store.Snapshot, source specs.Source) string {
	ref, _ := snap.Ref(source.Ref())
	return ref.Commit
}
