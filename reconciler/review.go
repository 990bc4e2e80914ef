package reconciler

import (
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// What is kept of the plans of branches.
const (
	keptReviews   = 100
	maxReviewPlan = 32 << 10 // bytes of one plan's JSON
)

// reviewed keeps the push's plan as its branch's review, in place of the one
// before, and forgets the oldest review when there are too many. The plan of a
// deleted branch goes.
func (p *push) reviewed(snap store.Snapshot) specs.Transaction {
	old, had := snap.Review(p.Branch())
	if p.New == "" {
		if !had {
			return nil
		}
		return specs.Transaction{{Review: specs.Remove[specs.Review](old.Branch, old.Version)}}
	}
	tx := specs.Transaction{{Review: specs.Set(p.Branch(), old.Version, specs.Review{
		Branch: p.Branch(), Commit: p.New, Author: p.Push.Commit.Author, Subject: p.Push.Commit.Subject,
		Created: p.m.raft.Now(), Base: p.planned.Base, Verdict: string(p.planned.Verdict), Plan: p.planned.Keep(maxReviewPlan),
	})}}
	if had {
		return tx
	}
	return append(tx, pruneReviews(snap)...)
}

// pruneReviews makes room for one more.
func pruneReviews(snap store.Snapshot) specs.Transaction {
	var oldest specs.Review
	count := 0
	for r := range snap.Reviews() {
		if count == 0 || r.Created.Before(oldest.Created) {
			oldest = r
		}
		count++
	}
	if count < keptReviews {
		return nil
	}
	return specs.Transaction{{Review: specs.Remove[specs.Review](oldest.Branch, oldest.Version)}}
}
