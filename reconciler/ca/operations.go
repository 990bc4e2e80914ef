package ca

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// readmitWithin is how long a token to readmit a node is good.
const readmitWithin = 24 * time.Hour

var errNoAuthority = wire.Errorf(wire.Unavailable, "the cluster has no certificate authority yet: ask again in a moment")

// JoinToken is the token that makes machines nodes of that role.
func (s *Server) JoinToken(role specs.Role) (specs.JoinToken, error) {
	a := s.Store.Snapshot().Authority()
	if a.Version == 0 {
		return specs.JoinToken{}, errNoAuthority
	}
	return a.Token(role), nil
}

// RotateJoinToken makes a new token for that role; the old one is not valid any
// more.
func (s *Server) RotateJoinToken(ctx context.Context, role specs.Role) (specs.JoinToken, error) {
	a, err := s.update(ctx, func(a *specs.Authority) error {
		if role == specs.Manager {
			a.Manager = newSecret()
		} else {
			a.Worker = newSecret()
		}
		return nil
	})
	return a.Token(role), err
}

// Rotate begins to lead the cluster to the root of the options, a new one of its
// own for the zero value. It returns once that is written down; Progress tells
// the rest.
func (s *Server) Rotate(ctx context.Context, o Options) error {
	root, err := o.root(s.Now())
	if err != nil {
		return wire.Errorf(wire.InvalidArgument, "%w", err)
	}
	_, err = s.update(ctx, func(a *specs.Authority) (err error) {
		*a, err = rotate(*a, root, o.External, s.Now())
		return err
	})
	return err
}

// Abort ends the rotation that is under way: nodes renew from the present root.
func (s *Server) Abort(ctx context.Context) error {
	_, err := s.update(ctx, func(a *specs.Authority) (err error) {
		if a.Rotation == nil {
			return errors.New("no rotation of the root certificate is under way")
		}
		*a, err = rotate(*a, a.Root, a.External, s.Now())
		return err
	})
	return err
}

// Progress is how far the rotation is, or the renewals after one.
func (s *Server) Progress() Progress {
	snap := s.Store.Snapshot()
	return progress(snap.Authority(), slices.Collect(snap.Nodes()))
}

// Watch sends the progress whenever it is another, until the rotation and the
// renewals after it are done. It waits for nodes that are down.
func (s *Server) Watch(ctx context.Context, send func(Progress) error) error {
	feed := s.Store.Subscribe()
	defer feed.Close()
	for last := ""; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-feed.Wait():
		}
		feed.Take()
		p := s.Progress()
		if p.String() != last {
			if err := send(p); err != nil {
				return err
			}
		}
		if last = p.String(); p.Done() {
			return nil
		}
	}
}

// CertExpiry is the change by which the certificates are good for d that are issued
// from then on, or for the default.
func CertExpiry(a specs.Authority, d time.Duration) (specs.Change, error) {
	if a.Version == 0 {
		return specs.Change{}, errNoAuthority
	}
	if err := checkExpiry(d); err != nil {
		return specs.Change{}, wire.Errorf(wire.InvalidArgument, "%w", err)
	}
	a.CertExpiry = specs.Duration(d)
	return specs.Change{Authority: &a}, nil
}

// Readmit makes a token that gives a node its identity back, once and within a
// day. An earlier one for the node is not valid any more.
func (s *Server) Readmit(ctx context.Context, nodeID string) (specs.JoinToken, error) {
	if _, err := s.member(nodeID); err != nil {
		return specs.JoinToken{}, err
	}
	token := specs.JoinToken{Secret: newSecret()}
	a, err := s.update(ctx, func(a *specs.Authority) error {
		a.Readmissions = cloned(a.Readmissions)
		a.Readmissions[nodeID] = specs.Readmission{Secret: hashOf([]byte(token.Secret)), Until: s.Now().Add(readmitWithin)}
		return nil
	})
	token.Root = a.Root.Digest()
	return token, err
}

// update changes the authority's row, and looks again when somebody else did at
// the same time. A mistake that change reports is the caller's.
func (s *Server) update(ctx context.Context, change func(*specs.Authority) error) (specs.Authority, error) {
	for {
		a := s.Store.Snapshot().Authority()
		if a.Version == 0 {
			return a, errNoAuthority
		}
		if err := change(&a); err != nil {
			return a, wire.Errorf(wire.InvalidArgument, "%w", err)
		}
		if err := s.write(ctx, specs.Change{Authority: &a}); !errors.Is(err, store.ErrConflict) {
			return a, err
		}
	}
}
