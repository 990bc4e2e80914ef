package reconciler

import (
	"context"
	"errors"
	"fmt"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
)

// Wanted are the stacks of the commit that the cluster is at of a source, images
// as their files name them.
func (m *Manager) Wanted(ctx context.Context, snap store.Snapshot, source specs.Source) ([]specs.Stack, error) {
	if m.repository == nil {
		return nil, errors.New("this manager keeps no repository")
	}
	at := commitOf(snap, source)
	if at == "" {
		return nil, fmt.Errorf("none were taken since it was changed or added: swarmgit source sync %s says why", source.Name)
	}
	tree, err := m.repository.Files(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", at, err)
	}
	return m.loader.Load(ctx, tree, schema.Options{Path: source.Path}).Stacks, nil
}
