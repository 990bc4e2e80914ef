package reconciler

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/images"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/secrets"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// planRequest is what a plan is made of, whoever asks: a commit that arrives or a
// person.
type planRequest struct {
	source        specs.Source
	loaded        schema.Result
	revision      string // the commit; empty for a working tree
	title         string
	acceptPartial bool
	allowRemoval  bool
	viewers       bool // who may only view has written the tree: it is planned for nobody else
}

// propose plans a loaded tree of a source over the present cluster, and returns
// the changes that the plan is about.
func (m *Manager) propose(snap store.Snapshot, req planRequest) (planner.Plan, specs.Transaction) {
	defer func(began time.Time) { m.metrics.Plan(time.Since(began)) }(time.Now())
	warnings := req.loaded.Warnings
	for _, problem := range req.loaded.Problems {
		if problem.Partial {
			warnings = append(warnings[:len(warnings):len(warnings)], problem)
		}
	}
	wanted, unknown := secrets.Resolve(snap, req.loaded.Stacks)
	return planner.Propose(planner.Input{
		Present: snap, Source: req.source.Name, Wanted: wanted, Now: m.raft.Now(),
		Mistakes: append(slices.Clone(req.loaded.Refusals(true)), unknown...), Warnings: warnings, NewID: newID,
		Revision: req.revision, Base: commitOf(snap, req.source), Title: req.title,
		AllowRemoval: req.allowRemoval, AcceptPartial: req.acceptPartial, Approval: req.source.Outside(), Withhold: req.viewers,
	})
}

// load reads a tree, and has its images' tags resolved as a present cluster has
// them, or as lookup finds them.
func (m *Manager) load(ctx context.Context, present store.Snapshot, tree fs.FS, opt schema.Options, lookup images.Lookup) schema.Result {
	loaded := m.loader.Load(ctx, tree, opt)
	if len(loaded.Refusals(true)) > 0 {
		return loaded
	}
	pinned := images.Pin(ctx, present, loaded.Stacks, lookup)
	loaded.Stacks = pinned.Stacks
	loaded.Warnings = slices.Concat(loaded.Warnings, pinned.Warnings)
	loaded.Problems = slices.Concat(loaded.Problems, pinned.Problems)
	return loaded
}

// Plan says what a working tree or a commit would do. Mistakes in the files are
// the plan's refusals. Of a tree that a viewer has written it compares no secrets,
// and asks no registry that the cluster has nothing to do with.
func (m *Manager) Plan(ctx context.Context, req api.PlanRequest) (planner.Plan, error) {
	snap := m.store.Snapshot()
	source := mainSource(snap)
	if req.Source != "" {
		var exists bool
		if source, exists = snap.Source(req.Source); !exists {
			return planner.Plan{}, noSource(req.Source)
		}
	}
	tree, asked, err := m.planned(ctx, commitOf(snap, source), req)
	if err != nil {
		return planner.Plan{}, err
	}
	asked.source = source
	lookup := m.lookups()
	if asked.viewers {
		lookup = images.Among(snap, lookup)
	}
	asked.loaded = m.load(ctx, snap, tree, schema.Options{Path: source.Path}, lookup)
	asked.acceptPartial, asked.allowRemoval = req.AcceptPartial, req.AllowRemoval
	plan, tx := m.propose(snap, asked)
	if problems := refusals(plan, tx, asked.loaded, req.AcceptPartial); len(problems) > 0 {
		plan.Refusals, plan.Verdict = problems, planner.Refused
	}
	return plan, nil
}

// maxUnpacked bounds what a working tree may be in the archive that it travels in:
// a small one can hold terabytes. Reading more of a file than it says fails.
const maxUnpacked specs.Bytes = 1 << 30

// planned finds the tree that a request means, and how to call it. The cluster is at
// a commit of the source, or at none yet.
func (m *Manager) planned(ctx context.Context, at string, req api.PlanRequest) (fs.FS, planRequest, error) {
	if req.Rev != "" {
		return m.plannedRevision(ctx, at, req.Rev)
	}
	tree, err := zip.NewReader(bytes.NewReader(req.Tree), int64(len(req.Tree)))
	if err != nil {
		return nil, planRequest{}, wire.Errorf(wire.InvalidArgument, "read the working tree: %w", err)
	}
	left := uint64(maxUnpacked)
	for _, f := range tree.File {
		if f.UncompressedSize64 > left {
			return nil, planRequest{}, wire.Errorf(wire.InvalidArgument, "read the working tree: its files are larger than %s together: keep others elsewhere", maxUnpacked)
		}
		left -= f.UncompressedSize64
	}
	if api.AskerViews(ctx) {
		return tree, planRequest{title: workingTree, viewers: true}, nil // not even how many files are as they were
	}
	return tree, planRequest{title: m.workingTreeTitle(ctx, tree, at)}, nil
}

const workingTree = "of the working tree"

// workingTreeTitle says how far a working tree is from what the cluster is at.
func (m *Manager) workingTreeTitle(ctx context.Context, tree fs.FS, at string) string {
	if at == "" {
		return workingTree
	}
	differ, err := m.differ(ctx, tree, at)
	if err != nil {
		// The plan itself does not need the old tree: only its title does.
		m.log.WarnContext(ctx, "the cluster's commit cannot be compared with a working tree", "commit", at, "err", err)
		return workingTree
	}
	verb := "differ"
	if len(differ) == 1 {
		verb = "differs"
	}
	return fmt.Sprintf("%s (%s %s from %s)", workingTree, plural(len(differ), "file"), verb, git.Short(at))
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
func (m *Manager) plannedRevision(ctx context.Context, at, rev string) (fs.FS, planRequest, error) {
	base, head, ranged := strings.Cut(rev, "..")
	if !ranged {
		head = rev
	}
	commit, err := m.repository.Resolve(ctx, head)
	if err != nil {
		return nil, planRequest{}, wire.Errorf(wire.NotFound, "plan %s: %w", rev, err)
	}
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
