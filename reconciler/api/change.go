package api

import (
	"context"
	"errors"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// change writes what decide makes of the present state. It decides again when
// somebody else changed the same rows meanwhile.
func (s *Server) change(ctx context.Context, decide func(store.Snapshot) (specs.Transaction, error)) error {
	for {
		tx, err := decide(s.Cluster.Snapshot())
		if err != nil {
			return err
		}
		if err := s.Nodes.Propose(ctx, tx); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// changeCluster writes what change makes of the cluster's row; what the row points
// to is shared.
func (s *Server) changeCluster(ctx context.Context, change func(*specs.Cluster) error) error {
	return s.change(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		cluster := snap.Cluster()
		err := change(&cluster)
		return specs.Transaction{{Cluster: &cluster}}, err
	})
}
