package converge

import (
	"iter"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Input is what one pass looks at. Pass changes none of it.
type Input struct {
	Snapshot  store.Snapshot
	Scheduler *scheduler.State // as of Snapshot
	Dirty     Dirty
	Now       time.Time     // it goes on evenly within a term, and may leap between two
	NewID     func() string // a fresh task ID

	// Began is when the term began, and Heard when a node was first heard of in it,
	// the zero time for one that was not yet. Who is to get a time to do something
	// gets it from then on, if that was decided before: how long that was ago, only
	// the wall clock knows. Without them all is of one term, and heard of.
	Began time.Time
	Heard func(nodeID string) time.Time
}

// Result is what a pass decided.
type Result struct {
	// Transactions are to be proposed in this order. Each is complete in
	// itself and of one service, so that a conflict refuses no more than that.
	Transactions []specs.Transaction
	// Wakes says for each service that was looked at when it has to be looked
	// at again though nothing happens; the zero time is never. See [Agenda].
	Wakes map[string]time.Time
	// Refused holds what was not decided for a service because the store would
	// refuse it, which is a mistake of ours and to be logged.
	Refused map[string]error
}

// Pass decides the next step of everything dirty. It does not wait for what it
// decided: the next pass looks at what came of it. A pass over a cluster in
// which nothing is left to do decides nothing.
func Pass(in Input) Result {
	p := &pass{
		draft:     in.Snapshot.Draft(in.Snapshot.Index() + 1),
		stacks:    in.Snapshot.Stacks(),
		scheduler: in.Scheduler.Clone(),
		now:       in.Now,
		began:     in.Began,
		heard:     in.Heard,
		newID:     in.NewID,
		nodes:     make(map[string]*nodeView),
		over:      make(map[string]specs.Resources),
		result:    Result{Wakes: make(map[string]time.Time), Refused: make(map[string]error)},
	}
	for _, id := range in.Dirty.services(in.Snapshot) {
		p.converge(id)
	}
	p.judgeRevisions()
	return p.result
}

// pass is one pass under way. Later services see in draft and scheduler what
// was decided for earlier ones.
type pass struct {
	draft     *store.Draft
	stacks    iter.Seq[specs.StackRow] // which no pass changes
	scheduler *scheduler.State
	now       time.Time
	began     time.Time
	heard     func(nodeID string) time.Time
	newID     func() string
	nodes     map[string]*nodeView
	over      map[string]specs.Resources // by node: what has to leave
	result    Result

	outage      time.Time // see outageUntil
	outageKnown bool
}

func (p *pass) converge(serviceID string) {
	p.result.Wakes[serviceID] = time.Time{}
	svc, ok := p.draft.Service(serviceID)
	if !ok {
		return
	}
	w := p.load(svc)
	w.step()
	p.result.Wakes[serviceID] = w.wake
	for _, tx := range w.transactions() {
		p.decide(serviceID, tx)
	}
}

// decide takes a transaction into the result and lets the rest of the pass see
// it. What the draft refuses would be refused on every manager: it is reported
// and costs no other service its turn.
func (p *pass) decide(serviceID string, tx specs.Transaction) {
	if err := p.draft.Apply(tx); err != nil {
		p.result.Refused[serviceID] = err
		return
	}
	p.result.Transactions = append(p.result.Transactions, tx)
}

// earliest returns the first of the times that are not zero.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}
