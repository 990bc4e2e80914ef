package planner

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Input is what a plan is made of.
type Input struct {
	Present  store.Snapshot
	Source   string          // whose stacks are wanted
	Wanted   []specs.Stack   // all of them
	Mistakes []specs.Problem // in the files: while there are any, what is wanted is not known
	Warnings []specs.Problem // what the loader said of the stacks
	Now      time.Time

	Revision string // the commit that is planned; empty for a working tree
	Base     string // the commit that the cluster is at; empty for none
	Title    string // follows the word Plan: "over 1f0c9aa"

	NewID func() string // for new services; nil gives placeholders

	AllowRemoval  bool // -o allow-removal
	Approval      bool // what is removed on a large scale waits for approval, and is not refused
	AcceptPartial bool // -o accept-partial

	// Withhold has the plan tell nothing of what secrets hold: they are taken to be
	// what they are in the cluster. It is for plans of what anybody may have written
	// who may only view: he could check guesses.
	Withhold bool
}

// Propose tells what applying the wanted stacks would change and do, and returns the
// changes that it planned, to be proposed unless the plan is refused.
func Propose(in Input) (Plan, specs.Transaction) {
	if len(in.Mistakes) > 0 {
		return in.invalid(), nil
	}
	if in.NewID == nil {
		in.NewID = placeholders()
	}
	key := in.Present.Cluster().Key
	if in.Withhold {
		in.Wanted, key = withheld(in.Present, in.Wanted), nil
	}
	in.Wanted = withRestarts(in.Present, in.Wanted)
	tx, refused := Changes(in.Present, in.Source, in.Revision, in.Wanted, in.NewID, in.Now)
	m := making{Input: in, tx: tx, redact: redactor{key}, end: simulate(in.Present, tx, in.Now)}
	p := Plan{
		Format: Format, Cluster: in.Present.Cluster().Name, Title: in.Title, Revision: in.Revision, Base: in.Base,
		Stacks: len(in.Wanted), Changed: changedStacks(tx), Warnings: sortedProblems(in.Warnings), Withheld: in.Withhold,
		Beyond: m.end.beyond, Estimate: specs.Duration(m.end.took),
	}
	p.Services = m.entries()
	p.Warnings = append(p.Warnings, m.unwatched(p.Services)...)
	p.Moved = m.moved(p.Services)
	p.Paused = m.end.paused
	for _, svc := range m.end.services {
		p.Totals = p.Totals.Add(svc.totals)
	}
	if !in.AcceptPartial {
		p.Warnings, refused = refusePartial(p.Warnings, refused)
	}
	switch words, tooLarge := guard(in.Present, in.Source, tx); {
	case !tooLarge || in.AllowRemoval:
	case in.Approval:
		p.Approvals = []specs.Problem{{Message: words + ": it waits for swarmgit approve"}}
	default:
		refused = append(refused, specs.Problem{Message: words + ": if that is meant, say so by -o allow-removal"})
	}
	p.Refusals = refused
	p.Verdict = p.verdict(len(tx) > 0)
	return p, tx
}

// invalid is the plan of files with mistakes. A stack that could not be read is
// not one that is wanted no more, so nothing is said of what would happen.
func (in Input) invalid() Plan {
	p := Plan{
		Format: Format, Cluster: in.Present.Cluster().Name, Title: in.Title, Revision: in.Revision, Base: in.Base,
		Verdict: Refused, Invalid: true,
		Refusals: in.Mistakes, Warnings: in.Warnings,
	}
	if !in.AcceptPartial {
		p.Warnings, p.Refusals = refusePartial(p.Warnings, slices.Clone(p.Refusals))
	}
	p.Refusals, p.Warnings = sortedProblems(p.Refusals), sortedProblems(p.Warnings)
	return p
}

// changedStacks are the stacks whose rows the transaction writes.
func changedStacks(tx specs.Transaction) []string {
	var names []string
	for _, change := range tx {
		if change.Stack != nil {
			names = append(names, change.Stack.ID)
		}
	}
	slices.Sort(names)
	return names
}

// verdict judges what the plan says of the services that change, and of those
// that stay paused. What else was under way before is not this plan's doing.
func (p Plan) verdict(changes bool) Verdict {
	switch {
	case len(p.Refusals) > 0:
		return Refused
	case len(p.Approvals) > 0:
		return NeedsApproval
	case !changes:
		return NoChanges
	case len(p.Warnings)+len(p.Paused) > 0 || slices.ContainsFunc(p.Services, Entry.risky):
		return NeedsAttention
	}
	return Safe
}

// risky reports that something stops before its replacement runs, goes for
// good, cannot run, or goes on after a pause.
func (e Entry) risky() bool {
	return e.Resumes != "" || e.Action == Remove || e.Gap || e.Totals.Stop > 0 || e.Totals.Pending > 0
}

// refusePartial turns warnings of keys that are not built yet, and whose absence
// weakens a service, into refusals.
func refusePartial(warnings, refused []specs.Problem) (kept, all []specs.Problem) {
	partial := 0
	for _, w := range warnings {
		if !w.Partial {
			kept = append(kept, w)
			continue
		}
		refused = append(refused, w)
		partial++
	}
	if partial > 0 {
		refused = append(refused, specs.Problem{Message: "what is not built yet would be missing from running services: " +
			"take it out, or go on without it by -o accept-partial"})
	}
	return kept, refused
}

func sortedProblems(problems []specs.Problem) []specs.Problem {
	sorted := slices.Clone(problems)
	slices.SortFunc(sorted, func(a, b specs.Problem) int {
		return cmp.Or(a.Position.Compare(b.Position), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(sorted)
}

// placeholders are IDs of rows that will never be: they sort in the order in
// which they were made.
func placeholders() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("%0*d", specs.IDLength, n)
	}
}
