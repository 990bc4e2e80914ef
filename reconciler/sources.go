package reconciler

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/git/outside"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// sources is what people do with the sources of the cluster. Only the leader is
// asked.
type sources struct{ *Manager }

var _ api.Sources = sources{}

var sourceName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// Add has the cluster follow a repository elsewhere.
func (s sources) Add(ctx context.Context, req api.AddSourceRequest) error {
	source, err := newSource(req)
	if err != nil {
		return wire.Errorf(wire.InvalidArgument, "source add %s: %w", req.Name, err)
	}
	source.Added = s.raft.Now()
	return s.alter(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		if _, taken := snap.Source(source.Name); taken {
			return nil, wire.Errorf(wire.AlreadyExists, "source add %s: there is one of that name: change it (swarmgit source update %s), or remove it first (swarmgit source rm %s), which stops nothing", source.Name, source.Name, source.Name)
		}
		ref := source.Ref()
		return specs.Transaction{
			{Source: specs.Insert(source.Name, source)}, {Ref: specs.Insert(ref, specs.Ref{Name: ref})},
		}, nil
	})
}

// newSource is the row that a person asks for.
func newSource(req api.AddSourceRequest) (specs.Source, error) {
	source := specs.Source{
		Name: req.Name, Branch: req.Branch, Interval: req.Interval,
		AcceptPartial: req.AcceptPartial, Webhook: newWebhookKey(),
	}
	if source.Branch == "" {
		source.Branch = "main"
	}
	var err error
	if source.Path, err = specs.CleanPath(req.Path); err != nil {
		return source, err
	}
	address, user, err := outside.Normalize(req.URL)
	source.URL = address
	switch credential := req.Credential; {
	case err != nil:
		return source, err
	case !sourceName.MatchString(source.Name) || !source.Outside():
		return source, errors.New("a name has small letters, digits and - only, and is not main, which is the cluster's own remote")
	case !git.IsBranch(source.Branch):
		return source, fmt.Errorf("--branch %q is no name of a branch: see git check-ref-format --help", source.Branch)
	case source.Interval != 0 && source.Interval < specs.Duration(specs.MinSourceInterval):
		return source, fmt.Errorf("--interval %s: at least %s, and a webhook can say when there is something new", source.Interval, specs.Duration(specs.MinSourceInterval))
	case credential.User == "":
		credential.User = user
		fallthrough
	default:
		if credential != (specs.Credential{}) {
			source.Credential = &credential
		}
		return source, outside.Check(address, credential)
	}
}

// Sync looks at a source now, and says in one line what came of it.
func (s sources) Sync(ctx context.Context, name string) (string, error) {
	source, err := s.source(s.store.Snapshot(), name)
	if err != nil {
		return "", err
	}
	if source.Suspended {
		return "", wire.Errorf(wire.InvalidArgument, "source sync %s: it is suspended: swarmgit source resume %s", name, name)
	}
	one, err := s.followers.at(ctx, name, source.Version)
	if err != nil {
		return "", err
	}
	text, err := one.ask(ctx)
	if err != nil && ctx.Err() == nil {
		return "", wire.Errorf(wire.Unavailable, "source %s: %s: %w; what runs goes on", name, source.URL, err)
	}
	return text, err
}

// Suspend has a source looked at no more, or again.
func (s sources) Suspend(ctx context.Context, name string, suspended bool) error {
	return s.alter(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		source, err := s.source(snap, name)
		if err != nil || source.Suspended == suspended {
			return nil, err
		}
		source.Suspended = suspended
		return specs.Transaction{{Source: specs.Set(name, source.Version, source)}}, nil
	})
}

// Remove ends the following of a source.
func (s sources) Remove(ctx context.Context, req api.RemoveSourceRequest) (api.RemoveSourceReply, error) {
	var reply api.RemoveSourceReply
	err := s.alter(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		source, err := s.source(snap, req.Name)
		if err != nil {
			return nil, err
		}
		ref, _ := snap.Ref(source.Ref())
		tx := specs.Transaction{
			{Source: specs.Remove[specs.Source](source.Name, source.Version)}, {Ref: specs.Remove[specs.Ref](ref.Name, ref.Version)},
		}
		reply = api.RemoveSourceReply{Stacks: []string{}}
		for stack := range snap.Stacks() {
			if stack.Source != source.Name {
				continue
			}
			reply.Stacks = append(reply.Stacks, stack.Name)
			if !req.Prune {
				stack.Source = ""
				tx = append(tx, specs.Change{Stack: specs.Set(stack.Name, stack.Version, stack)})
			}
		}
		if req.Prune {
			plan, pruned := planner.Propose(planner.Input{
				Present: snap, Source: source.Name, Now: s.raft.Now(), Title: "of removing " + source.Name, AllowRemoval: true,
			})
			tx, reply.Plan = append(tx, pruned...), &plan
		}
		if req.DryRun {
			return nil, nil
		}
		gone := arrival{m: s.Manager, source: source}
		return append(tx, gone.overtake(snap)...), nil
	})
	return reply, err
}

// Adopt gives a stack to another source, which restarts nothing.
func (s sources) Adopt(ctx context.Context, stack, to string) error {
	err := s.alter(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		row, exists := snap.Stack(stack)
		if !exists {
			return nil, wire.Errorf(wire.NotFound, "no such stack: %s (see: swarmgit stack ls)", stack)
		}
		if _, exists := snap.Source(to); !exists {
			return nil, noSource(to)
		}
		if row.Source == to {
			return nil, nil
		}
		row.Source = to
		return specs.Transaction{{Stack: specs.Set(stack, row.Version, row)}}, nil
	})
	if one, follows := s.followers.of(to); err == nil && follows {
		one.hint()
	}
	return err
}

// Seen is how the last looks at a source went.
func (s sources) Seen(name string) api.SourceSeen {
	one, follows := s.followers.of(name)
	if !follows {
		return api.SourceSeen{}
	}
	return one.looks()
}

// Approve carries out a revision that awaits it, as the cluster is now.
func (s sources) Approve(ctx context.Context, req api.ApproveRequest) (api.ApproveReply, error) {
	snap := s.store.Snapshot()
	rev, err := awaiting(snap, req.Rev)
	if err != nil {
		return api.ApproveReply{}, err
	}
	source, err := s.source(snap, rev.Source)
	if err != nil {
		return api.ApproveReply{}, err
	}
	a := arrival{
		m: s.Manager, source: source, old: commitOf(snap, source), approves: rev,
		acceptPartial: source.AcceptPartial, allowRemoval: true,
	}
	reply := api.ApproveReply{Source: rev.Source, Commit: rev.Commit}
	snap, err = a.take(ctx, s.reading(source), rev.Commit)
	if err != nil {
		return reply, wire.Errorf(wire.Unavailable, "approve %s: %w", git.Short(rev.Commit), err)
	}
	plan, _, problems := a.plan(snap, "of "+a.commit.Short())
	reply.Plan = plan
	switch {
	case len(problems) > 0:
		return reply, wire.Errorf(wire.InvalidArgument, "approve %s: it is refused by now: %s", git.Short(rev.Commit), problems[0])
	case req.DryRun:
		return reply, nil
	}
	return reply, inWords(a.bring(ctx))
}

// awaiting finds the revision that awaits approval.
func awaiting(snap store.Snapshot, rev string) (specs.Revision, error) {
	var found []specs.Revision
	for r := range snap.Revisions() {
		if r.Progress.State == specs.RevisionAwaiting && strings.HasPrefix(r.Commit, rev) {
			found = append(found, r)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return specs.Revision{}, wire.Errorf(wire.InvalidArgument, "%d revisions await approval: name one (swarmgit revisions)", len(found))
	case rev == "":
		return specs.Revision{}, wire.Errorf(wire.NotFound, "nothing awaits approval (see: swarmgit revisions)")
	}
	return specs.Revision{}, notAwaiting(snap, rev)
}

// notAwaiting says what became of a revision that does not await approval.
func notAwaiting(snap store.Snapshot, rev string) error {
	found, err := findRevision(snap, rev)
	if err != nil {
		return err
	}
	short, last := git.Short(found.Commit), lastRevision(snap, found.Source)
	switch {
	case found.Progress.State != specs.RevisionSuperseded:
		return wire.Errorf(wire.InvalidArgument, "%s awaits no approval: it is %s (see: swarmgit revisions)", short, found.Progress.State)
	case last.ID == found.ID:
		return wire.Errorf(wire.InvalidArgument, "%s awaits no approval any more: its source went back to what the cluster has (see: swarmgit source ls)", short)
	}
	return wire.Errorf(wire.InvalidArgument, "%s awaits no approval any more: %s came after it in the source %s, and is %s (see: swarmgit revisions)",
		short, git.Short(last.Commit), last.Source, last.Progress.State)
}

// source finds an outside source.
func (m *Manager) source(snap store.Snapshot, name string) (specs.Source, error) {
	source, exists := snap.Source(name)
	switch {
	case name == specs.MainSource:
		return source, wire.Errorf(wire.InvalidArgument, "main is the cluster's own remote: it changes by git push")
	case !exists:
		return source, noSource(name)
	}
	return source, nil
}

func noSource(name string) error {
	return wire.Errorf(wire.NotFound, "no such source: %s (see: swarmgit source ls)", name)
}

// newWebhookKey draws the key of a webhook.
func newWebhookKey() specs.Hidden { return specs.Hidden(strings.ToLower(rand.Text())) }
