package reconciler

import (
	"context"
	"fmt"
	"net/url"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/git/outside"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Update changes a source by what is named. When other files are read from then on,
// the source is at no commit until one is taken, as one that was just added: the
// commit that it was at would else count as read. Its stacks stay as they are.
func (s sources) Update(ctx context.Context, req api.UpdateSourceRequest) (string, error) {
	var text string
	err := s.alter(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		source, err := s.source(snap, req.Name)
		if err != nil {
			return nil, err
		}
		if req == (api.UpdateSourceRequest{Name: req.Name}) {
			return nil, wire.Errorf(wire.InvalidArgument, "source update %s: nothing is to be changed: give --branch, --path or another flag (see: swarmgit source update --help)", req.Name)
		}
		changed, err := updated(source, req)
		if err != nil {
			return nil, wire.Errorf(wire.InvalidArgument, "source update %s: %w", req.Name, err)
		}
		if text = ""; changed.Suspended {
			text = fmt.Sprintf("%s is changed, and looked at once it is resumed: swarmgit source resume %s", req.Name, req.Name)
		}
		tx := specs.Transaction{{Source: specs.Set(source.Name, source.Version, changed)}}
		if readsTheSame(source, changed) {
			return tx, nil
		}
		ref, _ := snap.Ref(source.Ref())
		tx = append(tx, specs.Change{Ref: specs.Set(ref.Name, ref.Version, specs.Ref{Name: ref.Name, Former: ref.Applied()})})
		before := arrival{m: s.Manager, source: source}
		return append(tx, before.overtake(snap)...), nil
	})
	return text, err
}

// updated is the source with what the request names, checked as one that is added.
func updated(source specs.Source, req api.UpdateSourceRequest) (specs.Source, error) {
	asked := api.AddSourceRequest{
		Name: source.Name, URL: source.URL, Branch: source.Branch, Path: source.Path,
		Interval: source.Interval, AcceptPartial: source.AcceptPartial,
	}
	if source.Credential != nil {
		asked.Credential = *source.Credential
	}
	if req.URL != nil {
		address, user, err := outside.Normalize(*req.URL)
		if err != nil {
			return source, err
		}
		if asked.URL = address; !sameServer(address, source.URL) {
			asked.Credential = specs.Credential{}
		}
		if user != "" {
			asked.Credential.User = user
		}
	}
	set(&asked.Branch, req.Branch)
	set(&asked.Path, req.Path)
	set(&asked.Interval, req.Interval)
	set(&asked.AcceptPartial, req.AcceptPartial)
	set(&asked.Credential.User, req.User)
	set(&asked.Credential.Secret, req.Secret)
	set(&asked.Credential.SSHKey, req.SSHKey)
	set(&asked.Credential.KnownHosts, req.KnownHosts)
	changed, err := newSource(asked)
	changed.Suspended, changed.Webhook, changed.Added = source.Suspended, source.Webhook, source.Added
	return changed, err
}

// set changes what is named.
func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

// sameServer reports that a credential for one address is good for the other.
func sameServer(a, b string) bool {
	one, err := url.Parse(a)
	other, err2 := url.Parse(b)
	return err == nil && err2 == nil && one.Scheme == other.Scheme && one.Host == other.Host
}

// readsTheSame reports that a commit means the same to both.
func readsTheSame(a, b specs.Source) bool {
	return a.URL == b.URL && a.Branch == b.Branch && a.Path == b.Path && a.AcceptPartial == b.AcceptPartial
}
