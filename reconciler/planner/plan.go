package planner

import (
	"github.com/swarmgit/swarmgit/specs"
)

// Format is the number of the plan's JSON form. It grows when a field changes
// its meaning or goes; new fields do not change it.
const Format = 1

// Verdict is the plan in two words.
type Verdict string

// The verdicts. A plan that is safe stops nothing before its replacement runs,
// removes nothing, warns of nothing, and is beside nothing that is paused. No
// changes is what is asked, not how the cluster is: see Plan.Paused.
const (
	NoChanges      Verdict = "NO CHANGES"
	Safe           Verdict = "SAFE"
	NeedsAttention Verdict = "NEEDS ATTENTION"
	NeedsApproval  Verdict = "NEEDS APPROVAL"
	Refused        Verdict = "REFUSED"
)

// Plan is what applying a revision would change and do. Its JSON form is what
// `-o json` prints; its other forms are Text and Markdown.
type Plan struct {
	Format   int     `json:"format"`
	Cluster  string  `json:"cluster,omitempty"`  // its name
	Title    string  `json:"title"`              // "over 1f0c9aa": follows the word Plan
	Revision string  `json:"revision,omitempty"` // the commit that is planned; empty for a working tree
	Base     string  `json:"base,omitempty"`     // the commit that the cluster is at
	Verdict  Verdict `json:"verdict"`
	Totals   Totals  `json:"totals"`

	Stacks  int      `json:"stacks"`            // that are wanted
	Changed []string `json:"changed,omitempty"` // stacks that are new, change or go, by name

	Services []Entry         `json:"services,omitempty"` // that change: restarts, in place, new, removed
	Moved    []Entry         `json:"moved,omitempty"`    // that do not change and are touched all the same
	Paused   []Standstill    `json:"paused,omitempty"`   // services that are paused and stay so
	Refusals []specs.Problem `json:"refusals,omitempty"`
	Invalid  bool            `json:"invalid,omitempty"` // the refusals are mistakes in files: nothing was planned
	Warnings []specs.Problem `json:"warnings,omitempty"`

	Approvals []specs.Problem `json:"approvals,omitempty"` // what has to be approved before it is done

	Withheld bool           `json:"withheld,omitempty"` // secrets are taken to be what they are: who asks may only view
	Estimate specs.Duration `json:"estimate,omitempty"` // until nothing is left to do
	Beyond   int            `json:"beyond,omitempty"`   // slots that were not simulated any more
	LeftOut  int            `json:"left_out,omitempty"` // entries of the lists that are gone: see Keep
}

// Totals counts slots of the whole cluster; see the package comment.
type Totals struct {
	Start     int `json:"start"`
	Restart   int `json:"restart"`
	Stop      int `json:"stop"`
	Untouched int `json:"untouched"`
	Pending   int `json:"pending"`
}

// Add sums two counts.
func (t Totals) Add(o Totals) Totals {
	return Totals{t.Start + o.Start, t.Restart + o.Restart, t.Stop + o.Stop, t.Untouched + o.Untouched, t.Pending + o.Pending}
}

// Action is what becomes of a service.
type Action string

// The actions.
const (
	Create  Action = "create"
	InPlace Action = "in-place" // no task is replaced
	Rolling Action = "rolling"  // its tasks are replaced
	Remove  Action = "remove"
	Same    Action = "unchanged" // its tasks move, because of the others or of what was under way
)

// Entry is one service of a plan.
type Entry struct {
	Service string         `json:"service"`
	Stack   string         `json:"stack,omitempty"`
	Action  Action         `json:"action"`
	At      specs.Position `json:"at,omitzero"` // where the service is written
	Totals  Totals         `json:"totals"`
	Global  bool           `json:"global,omitempty"`
	Wanted  uint64         `json:"wanted"`           // replicas, or the nodes of a global service
	Fields  []Field        `json:"fields,omitempty"` // what changes, what forces a restart first

	Parallelism uint64         `json:"parallelism,omitempty"` // of a rolling restart; 0 is all at once
	Order       specs.Order    `json:"order,omitempty"`       // of a rolling restart, as it was seen to go
	Gap         bool           `json:"gap,omitempty"`         // a running task stops before its replacement runs
	Estimate    specs.Duration `json:"estimate,omitempty"`    // until its last task runs
	RenamedFrom string         `json:"renamed_from,omitempty"`
	Resumes     string         `json:"resumes,omitempty"` // why the rollout was paused that goes on

	Expected []Placement `json:"expected,omitempty"` // new tasks in their order
	Pending  []Waiting   `json:"pending,omitempty"`
}

// Standstill is a service whose rollout is paused and which the plan does not
// resume. What failed there is not expected to run.
type Standstill struct {
	Service string `json:"service"`
	Reason  string `json:"reason"`  // why it paused
	Wanted  uint64 `json:"wanted"`  // replicas, or the nodes of a global service
	Running int    `json:"running"` // of them, at the end
	Old     int    `json:"old"`     // of those, of another spec than the service's
}

// Field is one field of a service's spec that differs. A secret value is a short
// keyed hash in parentheses; an absent one is empty.
type Field struct {
	Name     string         `json:"name"` // as the stack file says it below the service
	Old      string         `json:"old,omitempty"`
	New      string         `json:"new,omitempty"`
	Restarts bool           `json:"restarts,omitempty"` // it forces the restart
	At       specs.Position `json:"at,omitzero"`
}

// Placement is where a new task is expected to run. Tasks of one batch are
// made together.
type Placement struct {
	Slot  uint64 `json:"slot,omitempty"` // 0 in a global service
	Node  string `json:"node"`           // hostname
	Batch int    `json:"batch"`          // from 0
}

// Waiting is a group of slots that no node can take, with one reason. The slots
// of a global service are nodes.
type Waiting struct {
	Slots  []uint64 `json:"slots,omitempty"`
	Nodes  []string `json:"nodes,omitempty"` // hostnames
	Reason string   `json:"reason"`
}

// size is how many tasks wait.
func (w Waiting) size() int { return len(w.Slots) + len(w.Nodes) }

// ExitCode is the code with which `swarmgit plan` ends. A plain one is 0, or 1
// for a refusal of any kind. A detailed one tells what the plan says, the first
// of these that holds:
//
//	1  mistakes in the files: nothing was planned
//	3  refused by a rule, although the files can be read: a key that is not
//	   built yet, a stack of another source, a removal too large to be meant
//	4  something cannot be placed
//	0  nothing to change
//	2  changes
func (p Plan) ExitCode(detailed bool) int {
	switch {
	case p.Invalid || p.Verdict == Refused && !detailed:
		return 1
	case !detailed:
		return 0
	case p.Verdict == Refused:
		return 3
	case p.Totals.Pending > 0:
		return 4
	case p.Verdict == NoChanges:
		return 0
	}
	return 2
}
