package reconciler

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// planRequest is what a plan is made of, whoever asks: a push or a person.
type planRequest struct {
	loaded        schema.Result
	revision      string // the commit; empty for a working tree
	title         string
	acceptPartial bool
	allowRemoval  bool
}

// propose plans a loaded tree of the cluster's own remote over the present
// cluster, and returns the changes that the plan is about.
func (m *Manager) propose(_ context.Context, snap store.Snapshot, req planRequest) (planner.Plan, specs.Transaction) {
	warnings := req.loaded.Warnings
	for _, problem := range req.loaded.Problems {
		if problem.Partial {
			warnings = append(warnings[:len(warnings):len(warnings)], problem)
		}
	}
	return planner.Propose(planner.Input{
		Present: snap, Source: specs.MainSource, Wanted: req.loaded.Stacks, Now: m.raft.Now(),
		Mistakes: req.loaded.Refusals(true), Warnings: warnings, NewID: newID,
		Revision: req.revision, Base: commitOf(snap), Title: req.title,
		AllowRemoval: req.allowRemoval, AcceptPartial: req.acceptPartial,
	})
}

// Plan says what a working tree or a commit would do. Mistakes in the files are
// the plan's refusals.
func (m *Manager) Plan(ctx context.Context, req api.PlanRequest) (planner.Plan, error) {
	snap := m.store.Snapshot()
	tree, asked, err := m.planned(ctx, snap, req)
	if err != nil {
		return planner.Plan{}, err
	}
	asked.loaded = m.loader.Load(ctx, tree, schema.Options{})
	asked.acceptPartial, asked.allowRemoval = req.AcceptPartial, req.AllowRemoval
	plan, _ := m.propose(ctx, snap, asked)
	if problems := refusals(plan, asked.loaded, req.AcceptPartial); len(problems) > 0 {
		plan.Refusals, plan.Verdict = problems, planner.Refused
	}
	return plan, nil
}

// planned finds the tree that a request means, and how to call it.
func (m *Manager) planned(ctx context.Context, snap store.Snapshot, req api.PlanRequest) (fs.FS, planRequest, error) {
	if req.Rev != "" {
		return m.plannedRevision(ctx, snap, req.Rev)
	}
	tree, err := zip.NewReader(bytes.NewReader(req.Tree), int64(len(req.Tree)))
	if err != nil {
		return nil, planRequest{}, wire.Errorf(wire.InvalidArgument, "read the working tree: %w", err)
	}
	return tree, planRequest{title: m.workingTreeTitle(ctx, tree, commitOf(snap))}, nil
}

// workingTreeTitle says how far a working tree is from what the cluster is at.
func (m *Manager) workingTreeTitle(ctx context.Context, tree fs.FS, at string) string {
	const title = "of the working tree"
	if at == "" {
		return title
	}
	differ, err := m.differ(ctx, tree, at)
	if err != nil {
		// The plan itself does not need the old tree: only its title does.
		m.log.WarnContext(ctx, "the cluster's commit cannot be compared with a working tree", "commit", at, "err", err)
		return title
	}
	verb := "differ"
	if len(differ) == 1 {
		verb = "differs"
	}
	return fmt.Sprintf("%s (%s %s from %s)", title, plural(len(differ), "file"), verb, git.Short(at))
}

func (m *Manager) differ(ctx context.Context, tree fs.FS, commit string) ([]string, error) {
	old, err := m.repository.Files(ctx, commit)
	if err != nil {
		return nil, err
	}
	return git.Differ(old, tree)
}

// plannedRevision finds a commit that the cluster's remote has: B, or A..B which
// also says over what, and must say where the cluster is.
func (m *Manager) plannedRevision(ctx context.Context, snap store.Snapshot, rev string) (fs.FS, planRequest, error) {
	base, head, ranged := strings.Cut(rev, "..")
	if !ranged {
		head = rev
	}
	commit, err := m.repository.Resolve(ctx, head)
	if err != nil {
		return nil, planRequest{}, wire.Errorf(wire.NotFound, "plan %s: %w", rev, err)
	}
	at := commitOf(snap)
	if ranged {
		from, err := m.repository.Resolve(ctx, base)
		if err != nil {
			return nil, planRequest{}, wire.Errorf(wire.NotFound, "plan %s: %w", rev, err)
		}
		if from.Hash != at {
			return nil, planRequest{}, wire.Errorf(wire.InvalidArgument,
				"plan %s: the cluster is at %s, not at %s: a plan is made over what runs; use --rev %s", rev, git.Short(at), base, head)
		}
	}
	tree, err := m.repository.Files(ctx, commit.Hash)
	if err != nil {
		return nil, planRequest{}, fmt.Errorf("plan %s: %w", rev, err)
	}
	title := "of " + commit.Short()
	if at != "" {
		title += " over " + git.Short(at)
	}
	return tree, planRequest{revision: commit.Hash, title: title}, nil
}
