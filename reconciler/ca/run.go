package ca

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// writePause is when to look again after a proposal that did not succeed.
const writePause = 10 * time.Second

// Run serves and carries rotations forward for one term of leadership, until
// ctx ends. What cannot be written, because the disk is full, is tried again.
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
		wake = t.look(ctx, s)
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
	said string                // why nothing can be written, as the log has it
}

// look does what is to be done by now, and returns when to look again.
func (t *term) look(ctx context.Context, s *Server) time.Time {
	snap := s.Store.Snapshot()
	a := snap.Authority()
	if a.Version == 0 {
		return time.Time{} // the cluster is being made
	}
	do := next(a, slices.Collect(snap.Nodes()), s.Now(), newSecret)
	if do.Write != nil {
		return t.write(ctx, s, a, *do.Write)
	}
	issuer := a.Issuer()
	for _, id := range do.Tell {
		if t.told[id] != issuer {
			t.told[id] = issuer
			s.Tell(id, issuer)
		}
	}
	return do.Wake
}

// write replaces the row, and returns when to look again. What was written, by this
// manager or by another before, wakes the loop.
func (t *term) write(ctx context.Context, s *Server, was, now specs.Authority) time.Time {
	err := s.write(ctx, specs.Change{Authority: &now})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		if t.said != err.Error() && ctx.Err() == nil {
			t.said = err.Error()
			s.Log.WarnContext(ctx, "the certificate authority cannot be written; trying again", "err", err)
		}
		return s.Now().Add(writePause)
	}
	t.said = ""
	if err == nil && was.Rotation != nil && now.Rotation == nil {
		s.Log.InfoContext(ctx, "the root certificate is rotated: the join tokens are new")
	}
	return time.Time{}
}
