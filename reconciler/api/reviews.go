package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// What the branches that the cluster does not follow would do, as it was planned
// when they were pushed.
const (
	ListReviews = wire.Unary[Empty, ListReviewsReply]("/swarmgit.api/ListReviews")
	GetReview   = wire.Unary[ByName, GetReviewReply]("/swarmgit.api/GetReview")
)

// ListReviewsReply lists reviews, the newest first.
type ListReviewsReply struct {
	Reviews []Review `json:"reviews"`
}

// Review is a branch and what is known of its plan now.
type Review struct {
	Branch  string    `json:"branch"`
	Commit  string    `json:"commit"`
	Author  string    `json:"author"`
	Subject string    `json:"subject"`
	Created time.Time `json:"created"`        // when it was planned
	Base    string    `json:"base,omitempty"` // the commit that the cluster was at
	Verdict string    `json:"verdict"`
	Applied bool      `json:"applied,omitempty"` // the cluster is at this commit now
	Stale   string    `json:"stale,omitempty"`   // why the plan is not what would happen now
}

// GetReviewReply is one review with its plan.
type GetReviewReply struct {
	Review
	Plan planner.Plan `json:"plan"`
}

func (s *Server) listReviews(context.Context, Empty) (ListReviewsReply, error) {
	snap := s.Cluster.Snapshot()
	reply := ListReviewsReply{Reviews: []Review{}}
	for r := range snap.Reviews() {
		reply.Reviews = append(reply.Reviews, reviewView(snap, r))
	}
	slices.SortStableFunc(reply.Reviews, func(a, b Review) int { return b.Created.Compare(a.Created) })
	return reply, nil
}

func (s *Server) getReview(_ context.Context, req ByName) (GetReviewReply, error) {
	snap := s.Cluster.Snapshot()
	review, ok := snap.Review(strings.TrimPrefix(req.Name, "refs/heads/"))
	if !ok {
		return GetReviewReply{}, wire.Errorf(wire.NotFound, "no plan is kept of a branch %s: see \"swarmgit review ls\", or plan it now: swarmgit plan --rev %[1]s", req.Name)
	}
	reply := GetReviewReply{Review: reviewView(snap, review)}
	if err := json.Unmarshal(review.Plan, &reply.Plan); err != nil {
		return GetReviewReply{}, fmt.Errorf("read the plan of %s: %w", req.Name, err)
	}
	return reply, nil
}

func reviewView(snap store.Snapshot, r specs.Review) Review {
	source, _ := snap.Source(specs.MainSource)
	ref, _ := snap.Ref("refs/heads/" + source.Branch)
	view := Review{
		Branch: r.Branch, Commit: r.Commit, Author: r.Author, Subject: r.Subject, Created: r.Created,
		Base: r.Base, Verdict: r.Verdict, Applied: ref.Commit == r.Commit,
	}
	if ref.Commit != r.Base {
		view.Stale = fmt.Sprintf("%s was at %s, and is at %s now", source.Branch, shortOrNothing(r.Base), shortOrNothing(ref.Commit))
	}
	return view
}

func shortOrNothing(commit string) string {
	if commit == "" {
		return "nothing"
	}
	return commit[:min(len(commit), 7)]
}
