package reconciler

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// reading is a repository elsewhere, as a follower reads it. Errors are words for
// people.
type reading interface {
	// Tip is the commit that the source's branch is at.
	Tip(ctx context.Context) (string, error)
	// Take gets the commit into the cluster's repository. Its files are readable
	// until ctx ends. rewritten: it does not descend from old, which may be empty.
	Take(ctx context.Context, commit, old string) (c git.Commit, files fs.FS, rewritten bool, err error)
}

// follower looks at one outside source while this manager leads. What came of
// its looks is in memory only: the next leader looks for itself, and finds in the
// store where the source is.
type follower struct {
	m      *Manager
	source specs.Source
	from   reading
	hints  chan struct{}      // holds one: look soon
	asks   chan chan<- looked // of those who wait for a look
	done   chan struct{}      // closed when it looks no more

	refused string // the commit that was refused, and the grounds then; used by run only

	mu   sync.Mutex
	seen api.SourceSeen
}

// looked is what came of one look.
type looked struct {
	text string
	err  error
}

const (
	// lookLimit bounds one look, so that a server that drips is told from one that
	// is slow.
	lookLimit = 10 * time.Minute
	// hintGap is the least time between a look and the next that a hint brings.
	hintGap = 5 * time.Second
	// maxBackoff is how long a source that fails rests at most, unless its
	// interval is longer.
	maxBackoff = 15 * time.Minute
)

// lookAfter is how long after a look the next one is due: the interval, twice as
// long for each failure in a row, and up to a tenth more or less by draw, a
// number in [0, 1), so that sources do not look in step.
func lookAfter(every time.Duration, failures int, draw float64) time.Duration {
	rest := every
	for range failures {
		if rest >= maxBackoff {
			break
		}
		rest = min(2*rest, maxBackoff)
	}
	return rest + time.Duration((draw-0.5)/5*float64(rest))
}

// run looks until ctx ends.
func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		var answer chan<- looked
		select {
		case answer = <-f.asks:
		default:
			var ok bool
			if answer, ok = f.wait(ctx, next.C); !ok {
				return
			}
		}
		if answer != nil {
			f.refused = "" // a person may have changed what stood against it
		}
		tip, text, err := f.look(ctx)
		next.Reset(f.note(ctx, tip, err))
		if answer != nil {
			answer <- looked{text, err}
		}
	}
}

// wait returns when a look is due, with whom to tell if somebody asked. It is
// false at the end of ctx.
func (f *follower) wait(ctx context.Context, due <-chan time.Time) (chan<- looked, bool) {
	var hints <-chan struct{}
	gap := time.NewTimer(hintGap)
	defer gap.Stop()
	for {
		select {
		case <-gap.C:
			hints = f.hints
		case answer := <-f.asks:
			return answer, true
		case <-due:
			return nil, true
		case <-hints:
			return nil, true
		case <-ctx.Done():
			return nil, false
		}
	}
}

// note remembers how a look went and says how long to rest.
func (f *follower) note(ctx context.Context, tip string, err error) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.m.raft.Now()
	seen := api.SourceSeen{Looked: now, Tip: tip}
	if err != nil {
		seen = f.seen
		seen.Failures++
		if seen.Failures == 1 {
			seen.Since = now
		}
		if err.Error() != seen.Error && ctx.Err() == nil {
			f.m.log.WarnContext(ctx, "an outside source cannot be followed; what runs goes on", "source", f.source.Name, "err", err)
			f.tell("failing", err.Error())
		}
		seen.Error = err.Error()
	} else if f.seen.Failures > 0 {
		f.tell("recovered", "")
	}
	rest := lookAfter(f.source.Every(), seen.Failures, rand.Float64())
	seen.Next = now.Add(rest)
	f.seen = seen
	return rest
}

// looks is how the last of them went.
func (f *follower) looks() api.SourceSeen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// tell notes an event, which this manager alone knows of.
func (f *follower) tell(action, message string) {
	f.m.events.Add(specs.Event{
		Time: f.m.raft.Now(), Type: specs.EventSource, Action: action, Name: f.source.Name, ID: f.source.Name, Message: message,
	})
}

// ask has the source looked at, and waits for what comes of it.
func (f *follower) ask(ctx context.Context) (string, error) {
	answer := make(chan looked, 1)
	select {
	case f.asks <- answer:
	case <-f.done:
		return "", errOtherFollower
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case l := <-answer: // also when it is done by then
		return l.text, l.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

var errOtherFollower = errors.New("the source was changed meanwhile, or another manager leads by now: try again")

// look sees where the repository is, and brings what is new into the cluster. The
// text says in one line what is so.
func (f *follower) look(ctx context.Context) (tip, text string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookLimit, fmt.Errorf("it was not done within %v", lookLimit))
	defer cancel()
	if tip, err = f.from.Tip(ctx); err != nil {
		return "", "", err
	}
	snap := f.m.store.Snapshot()
	a := arrival{m: f.m, source: f.source, old: commitOf(snap, f.source), acceptPartial: f.source.AcceptPartial}
	if tip == a.old {
		text, err = f.stay(ctx, &a)
		return tip, text, err
	}
	last := lastRevision(snap, f.source.Name)
	if last.Commit == tip && (last.Progress.State == specs.RevisionAwaiting || f.refused == tip+grounds(snap)) {
		return tip, stands(last), nil
	}
	text, err = a.fetch(ctx, f, tip, last)
	return tip, text, err
}

// stay is a look that finds the commit that the source is at. What came between
// and awaits approval is overtaken. A commit that was lost here is taken again.
func (f *follower) stay(ctx context.Context, a *arrival) (string, error) {
	err := f.m.change(ctx, func(snap store.Snapshot) (specs.Transaction, error) { return a.overtake(snap), nil })
	if err == nil && f.m.lacks(f.source.Ref()) {
		if _, _, _, err = f.from.Take(ctx, a.old, ""); err == nil {
			f.m.syncRepository(ctx)
		}
	}
	state := ""
	for rev := range f.m.store.Snapshot().Revisions() {
		if rev.Source == f.source.Name && rev.Commit == a.old {
			state = string(rev.Progress.State)
		}
	}
	return fmt.Sprintf("%s is at %s: %s", f.source.Name, git.Short(a.old), state), err
}

// lacks reports that the repository does not have the commit of a ref.
func (m *Manager) lacks(ref string) bool {
	if m.repository == nil {
		return false
	}
	missing := m.repository.Missing()
	return missing != nil && missing.Refs[ref] != ""
}

// fetch takes the commit in, or says why not. last is the newest revision of the
// source.
func (a *arrival) fetch(ctx context.Context, f *follower, tip string, last specs.Revision) (string, error) {
	snap, err := a.take(ctx, f.from, tip)
	if err != nil {
		return "", err
	}
	plan, _, problems := a.plan(snap, "of "+a.commit.Short())
	switch {
	case len(problems) > 0:
		f.refused = tip + grounds(snap)
		if last.Commit == tip && last.Progress.State == specs.RevisionRefused && slices.Equal(last.Problems, problems) {
			return stands(last), nil
		}
		return a.say(a.remember(ctx, specs.RevisionRefused, problems), "refused: %s", problems[0])
	case plan.Verdict == planner.NeedsApproval:
		return a.say(a.remember(ctx, specs.RevisionAwaiting, plan.Approvals), "%s", plan.Approvals[0].Message)
	}
	return a.say(a.bring(ctx), "rolling out: swarmgit wait %s", a.commit.Short())
}

// loadLimit bounds the reading of a tree: the largest of stack files take seconds.
const loadLimit = 2 * time.Minute

// take gets the commit and reads its stacks, over the snapshot that it returns.
func (a *arrival) take(ctx context.Context, from reading, commit string) (store.Snapshot, error) {
	c, files, rewritten, err := from.Take(ctx, commit, a.old)
	snap := a.m.store.Snapshot()
	if err != nil {
		return snap, err
	}
	a.commit, a.rewritten = c, rewritten
	ctx, cancel := context.WithTimeoutCause(ctx, loadLimit, fmt.Errorf("its stacks were not read within %v", loadLimit))
	defer cancel()
	if a.load(ctx, snap, files); ctx.Err() != nil {
		return snap, context.Cause(ctx) // which says nothing against the files
	}
	if len(a.loaded.Stacks)+len(a.loaded.Problems) == 0 {
		a.loaded.Problems = []specs.Problem{{
			Position: specs.Position{File: a.source.Path},
			Message:  fmt.Sprintf("no stack is in it: a list that is gone removes nothing; to remove what it had: swarmgit source rm %s --prune", a.source.Name),
		}}
	}
	return snap, nil
}

// bring makes the commit true once a majority of the managers has its objects.
func (a *arrival) bring(ctx context.Context) error {
	if err := a.replicate(ctx); err != nil {
		return err
	}
	err := a.m.change(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		ref, err := a.still(snap)
		if err != nil {
			return nil, err
		}
		return a.settle(snap, ref)
	})
	if errors.Is(err, consensus.ErrOutcomeUnknown) {
		err = a.m.arrived(ctx, a.source.Ref(), a.commit.Hash)
	}
	if err == nil {
		a.m.syncRepository(ctx)
	}
	return err
}

// still is where the outside source is, unless it was moved or changed since the commit
// was looked for. Who writes that conflicts with whoever does so at the same time.
func (a *arrival) still(snap store.Snapshot) (specs.Ref, error) {
	ref, followed := snap.Ref(a.source.Ref())
	source, _ := snap.Source(a.source.Name)
	if !followed || ref.Commit != a.old || source.Version != a.source.Version {
		return ref, errors.New("the source was changed meanwhile: it is looked at again")
	}
	return ref, nil
}

// say is one line about the commit, unless there is an error.
func (a *arrival) say(err error, format string, args ...any) (string, error) {
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s: %s ", a.source.Name, a.commit.Short())
	if a.rewritten {
		text += "(the history was rewritten) "
	}
	return text + fmt.Sprintf(format, args...), nil
}

// stands says that a commit which was not taken still is not.
func stands(rev specs.Revision) string {
	return fmt.Sprintf("%s: %s is still %s: %s", rev.Source, git.Short(rev.Commit), rev.Progress.State, rev.Progress.Reason)
}

// lastRevision is the newest revision of a source.
func lastRevision(snap store.Snapshot, source string) (last specs.Revision) {
	for rev := range snap.Revisions() {
		if rev.Source == source {
			last = rev
		}
	}
	return last
}

// grounds are what a commit can be refused for that is not in it: which source has
// which stack, what was created in the cluster for stacks that call it external,
// and whether there is a key for what is encrypted. When they change, the commit is
// worth another look.
func grounds(snap store.Snapshot) string {
	var text strings.Builder
	for stack := range snap.Stacks() {
		fmt.Fprintf(&text, " %s=%s", stack.Name, stack.Source)
	}
	for external := range snap.Externals() {
		fmt.Fprintf(&text, " %s", external.ID)
	}
	fmt.Fprint(&text, len(snap.Cluster().AgeKey) > 0)
	return text.String()
}
