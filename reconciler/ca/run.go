package ca

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Run serves and carries rotations forward for one term of leadership, until
// ctx ends. An error of a proposal ends it too: the next term looks again.
func (s *Server) Run(ctx context.Context) error {
	s.leads.Store(true)
	defer s.leads.Store(false)
	feed := s.Store.Subscribe()
	defer feed.Close()
	t := term{told: map[string]specs.Hash{}}
	var wake time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-feed.Wait():
			if !concerned(feed.Take()) {
				continue
			}
		case <-s.alarm(wake):
		}
		var err error
		if wake, err = t.look(ctx, s); err != nil {
			return err
		}
	}
}

// concerned reports whether there may be something to do after a change. While no
// root is rotated, a node whose certificate is as it is to be changes nothing:
// looking at all nodes for each that comes would cost their square.
func concerned(snap store.Snapshot, touched store.Touched) bool {
	if touched.All || touched.Authority {
		return true
	}
	if len(touched.Nodes) == 0 {
		return false
	}
	a := snap.Authority()
	issuer := a.Issuer()
	for id := range touched.Nodes {
		node, _ := snap.Node(id)
		if a.Rotation != nil || toRenew(node, issuer) {
			return true
		}
	}
	return false
}

// alarm fires at the time at, and never for the zero time.
func (s *Server) alarm(at time.Time) <-chan time.Time {
	if at.IsZero() {
		return nil
	}
	return time.After(at.Sub(s.Now()))
}

// term is what the leader knows beside the store: whom it has told.
type term struct {
	told map[string]specs.Hash // by node: the issuer that it was told of
}

// look does what is to be done by now, and returns when to look again.
func (t *term) look(ctx context.Context, s *Server) (time.Time, error) {
	snap := s.Store.Snapshot()
	a := snap.Authority()
	if a.Version == 0 {
		return time.Time{}, nil // the cluster is being made
	}
	do := next(a, slices.Collect(snap.Nodes()), s.Now(), newSecret)
	if do.Write != nil {
		err := s.write(ctx, specs.Change{Authority: do.Write})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return time.Time{}, err
		}
		if err == nil && a.Rotation != nil && do.Write.Rotation == nil {
			s.Log.InfoContext(ctx, "the root certificate is rotated: the join tokens are new")
		}
		return time.Time{}, nil // what was written wakes the loop
	}
	issuer := a.Issuer()
	for _, id := range do.Tell {
		if t.told[id] != issuer {
			t.told[id] = issuer
			s.Tell(id, issuer)
		}
	}
	return do.Wake, nil
}
