package api

import (
	"context"
	"net/http"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// WebhookPath is where others may say that an outside source has something new:
// a POST to it and the source's name, signed by HMAC-SHA256. [Guard] lets it in
// without a token.
const WebhookPath = "/hooks/"

// The procedures of outside sources. Adding one makes the managers read what it
// names, and a webhook's key lets its holder in, so these answer over a daemon's
// own socket only, and so do the change and the removal.
const (
	ListSources   = wire.Unary[Empty, ListSourcesReply]("/swarmgit.api/ListSources")
	AddSource     = wire.Unary[AddSourceRequest, Empty]("/swarmgit.api/AddSource")
	UpdateSource  = wire.Unary[UpdateSourceRequest, SourceReply]("/swarmgit.api/UpdateSource")
	SyncSource    = wire.Unary[ByName, SourceReply]("/swarmgit.api/SyncSource")
	SuspendSource = wire.Unary[SuspendSourceRequest, Empty]("/swarmgit.api/SuspendSource")
	RemoveSource  = wire.Unary[RemoveSourceRequest, RemoveSourceReply]("/swarmgit.api/RemoveSource")
	AdoptStack    = wire.Unary[AdoptStackRequest, Empty]("/swarmgit.api/AdoptStack")
	GetWebhook    = wire.Unary[WebhookRequest, WebhookReply]("/swarmgit.api/GetWebhook")
	Approve       = wire.Unary[ApproveRequest, ApproveReply]("/swarmgit.api/Approve")
)

// Source is one source as the cluster sees it now, without its credentials.
type Source struct {
	Name          string         `json:"name"`
	URL           string         `json:"url,omitempty"` // empty: the cluster's own remote
	Branch        string         `json:"branch"`
	Path          string         `json:"path,omitempty"`
	Interval      specs.Duration `json:"interval,omitempty"`
	AcceptPartial bool           `json:"accept_partial,omitempty"`
	Suspended     bool           `json:"suspended,omitempty"`

	Stacks   []string   `json:"stacks"`             // that belong to it
	Revision *Revision  `json:"revision,omitempty"` // of the commit that the cluster is at
	Changed  bool       `json:"changed,omitempty"`  // since the revision was taken, and nothing was taken since
	Degraded bool       `json:"degraded,omitempty"` // the revision is healthy and has lost tasks since
	Waiting  *Revision  `json:"waiting,omitempty"`  // a newer one, that was refused or awaits approval
	Seen     SourceSeen `json:"seen,omitzero"`      // while a manager leads
}

// SourceSeen is how the last looks at a source went. It is zero before the first
// one of a leader's term.
type SourceSeen struct {
	Looked   time.Time `json:"looked,omitzero"`    // when a look succeeded last
	Tip      string    `json:"tip,omitempty"`      // where the repository was then
	Failures int       `json:"failures,omitempty"` // since then, in a row
	Since    time.Time `json:"since,omitzero"`     // of the first of them
	Error    string    `json:"error,omitempty"`    // of the last of them
	Next     time.Time `json:"next,omitzero"`      // when it is looked at again
}

// ListSourcesReply lists sources by name.
type ListSourcesReply struct {
	Sources []Source `json:"sources"`
}

// AddSourceRequest makes the cluster follow a repository elsewhere.
type AddSourceRequest struct {
	Name          string           `json:"name"`
	URL           string           `json:"url"` // or a path, or git@host:path
	Branch        string           `json:"branch,omitempty"`
	Path          string           `json:"path,omitempty"`
	Interval      specs.Duration   `json:"interval,omitempty"`
	AcceptPartial bool             `json:"accept_partial,omitempty"`
	Credential    specs.Credential `json:"credential,omitzero"`
}

// UpdateSourceRequest changes what AddSourceRequest says of a source. What is nil
// stays. What is read anew from then on changes nothing before it is taken.
type UpdateSourceRequest struct {
	Name          string          `json:"name"`
	URL           *string         `json:"url,omitempty"` // of another server: without the credential
	Branch        *string         `json:"branch,omitempty"`
	Path          *string         `json:"path,omitempty"`
	Interval      *specs.Duration `json:"interval,omitempty"`
	AcceptPartial *bool           `json:"accept_partial,omitempty"`
	User          *string         `json:"user,omitempty"`
	Secret        *specs.Hidden   `json:"secret,omitempty"`
	SSHKey        *specs.Hidden   `json:"ssh_key,omitempty"`
	KnownHosts    *string         `json:"known_hosts,omitempty"`
}

// SourceReply is what came of a look, in one line; empty if there was none yet.
type SourceReply struct {
	Text string `json:"text"`
}

// SuspendSourceRequest has a source looked at no more, or again.
type SuspendSourceRequest struct {
	Name   string `json:"name"`
	Resume bool   `json:"resume,omitempty"`
}

// RemoveSourceRequest ends the following of a source. Its stacks stay, and belong
// to nobody, unless they are pruned.
type RemoveSourceRequest struct {
	Name   string `json:"name"`
	Prune  bool   `json:"prune,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"` // only say what would happen
}

// RemoveSourceReply is what happens with its stacks.
type RemoveSourceReply struct {
	Stacks []string      `json:"stacks"`
	Plan   *planner.Plan `json:"plan,omitempty"` // of pruning
}

// AdoptStackRequest gives a stack to another source. It restarts nothing.
type AdoptStackRequest struct {
	Stack  string `json:"stack"`
	Source string `json:"source"`
}

// WebhookRequest asks for the webhook of a source.
type WebhookRequest struct {
	Name   string `json:"name"`
	Rotate bool   `json:"rotate,omitempty"` // a new key; the old one is not valid any more
}

// WebhookReply is where to call, and the key to sign with.
type WebhookReply struct {
	URL string `json:"url"`
	Key string `json:"key"`
}

// ApproveRequest approves a revision that awaits it: a commit or its beginning;
// empty is the only one that there is.
type ApproveRequest struct {
	Rev    string `json:"rev,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"` // only say what would happen
}

// ApproveReply is the revision's plan.
type ApproveReply struct {
	Source string       `json:"source"`
	Commit string       `json:"commit"`
	Plan   planner.Plan `json:"plan"`
}

// Sources is what the manager does with outside sources.
type Sources interface {
	Add(ctx context.Context, req AddSourceRequest) error
	// Update changes a source. It says in one line when it is looked at, if that is
	// not now.
	Update(ctx context.Context, req UpdateSourceRequest) (string, error)
	// Sync looks at a source now, and says in one line what came of it.
	Sync(ctx context.Context, name string) (string, error)
	Suspend(ctx context.Context, name string, suspended bool) error
	Remove(ctx context.Context, req RemoveSourceRequest) (RemoveSourceReply, error)
	Adopt(ctx context.Context, stack, source string) error
	Webhook(ctx context.Context, name string, rotate bool) (WebhookReply, error)
	Approve(ctx context.Context, req ApproveRequest) (ApproveReply, error)
	// Seen is how the last looks at a source went.
	Seen(name string) SourceSeen
}

func (s *Server) registerSources(mux *http.ServeMux) {
	ListSources.Serve(mux, ready(s, func(context.Context, Empty) (ListSourcesReply, error) {
		return s.listSources(s.Cluster.Snapshot()), nil
	}))
	AddSource.Serve(mux, ready(s, func(ctx context.Context, req AddSourceRequest) (Empty, error) {
		return Empty{}, s.Sources.Add(ctx, req)
	}))
	UpdateSource.Serve(mux, ready(s, func(ctx context.Context, req UpdateSourceRequest) (SourceReply, error) {
		text, err := s.Sources.Update(ctx, req)
		return SourceReply{Text: text}, err
	}))
	SyncSource.Serve(mux, ready(s, func(ctx context.Context, req ByName) (SourceReply, error) {
		text, err := s.Sources.Sync(ctx, req.Name)
		return SourceReply{Text: text}, err
	}))
	SuspendSource.Serve(mux, ready(s, func(ctx context.Context, req SuspendSourceRequest) (Empty, error) {
		return Empty{}, s.Sources.Suspend(ctx, req.Name, !req.Resume)
	}))
	RemoveSource.Serve(mux, ready(s, func(ctx context.Context, req RemoveSourceRequest) (RemoveSourceReply, error) {
		return s.Sources.Remove(ctx, req)
	}))
	AdoptStack.Serve(mux, ready(s, func(ctx context.Context, req AdoptStackRequest) (Empty, error) {
		return Empty{}, s.Sources.Adopt(ctx, req.Stack, req.Source)
	}))
	GetWebhook.Serve(mux, ready(s, func(ctx context.Context, req WebhookRequest) (WebhookReply, error) {
		return s.Sources.Webhook(ctx, req.Name, req.Rotate)
	}))
	Approve.Serve(mux, ready(s, func(ctx context.Context, req ApproveRequest) (ApproveReply, error) {
		return s.Sources.Approve(ctx, req)
	}))
}

func (s *Server) listSources(snap store.Snapshot) ListSourcesReply {
	reply := ListSourcesReply{Sources: []Source{}}
	for source := range snap.Sources() {
		reply.Sources = append(reply.Sources, s.sourceView(snap, source))
	}
	return reply
}

// sourceViews are the outside sources.
func (s *Server) sourceViews(snap store.Snapshot) []Source {
	var views []Source
	for source := range snap.Sources() {
		if source.Outside() {
			views = append(views, s.sourceView(snap, source))
		}
	}
	return views
}

func (s *Server) sourceView(snap store.Snapshot, source specs.Source) Source {
	view := Source{
		Name: source.Name, URL: source.URL, Branch: source.Branch, Path: source.Path,
		AcceptPartial: source.AcceptPartial, Suspended: source.Suspended, Stacks: []string{},
	}
	for stack := range snap.Stacks() {
		if stack.Source == source.Name {
			view.Stacks = append(view.Stacks, stack.Name)
		}
	}
	if rev, ok := currentRevision(snap, source.Name); ok {
		view.Revision, view.Degraded = &rev, degraded(snap, rev)
	}
	if source.Outside() {
		ref, _ := snap.Ref(source.Ref())
		view.Changed = ref.Former != ""
		view.Interval, view.Seen = specs.Duration(source.Every()), s.Sources.Seen(source.Name)
		view.Waiting = waiting(snap, source.Name, view.Seen.Tip)
	}
	return view
}

// waiting is the newest revision of a source, if it was not taken and the
// repository is there, as far as that is known.
func waiting(snap store.Snapshot, source, tip string) *Revision {
	var newest *Revision
	for rev := range snap.Revisions() {
		if rev.Source == source {
			newest = &Revision{Revision: rev}
		}
	}
	if newest == nil || tip != "" && newest.Commit != tip || newest.Progress.State != specs.RevisionRefused && newest.Progress.State != specs.RevisionAwaiting {
		return nil
	}
	return newest
}
