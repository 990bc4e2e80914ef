package reconciler

import (
	"context"
	"maps"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git"
)

// repositoryPeriod is how often the repository is compared with the store's
// refs: a follower's is only ever asked for what another manager lacks.
const repositoryPeriod = time.Second

// syncRepository makes the local refs what the store says. A repository that
// lacks commits serves no Git until keepRepository has got them, and stops
// nothing that runs.
func (m *Manager) syncRepository(ctx context.Context) {
	if m.repository == nil {
		return
	}
	if err := m.repository.Sync(ctx, m.Refs); err != nil {
		m.log.ErrorContext(ctx, "the repository is not what the cluster says; what runs goes on", "err", err)
	}
}

// keepRepository gets what the repository lacks, and while another manager
// leads moves its refs as the store's move, until ctx ends. A leader's are moved
// by pushes. It begins once the store holds what was committed before: what
// older rows do not name would be given up to housekeeping.
func (m *Manager) keepRepository(ctx context.Context) error {
	select {
	case <-m.ready:
	case <-ctx.Done():
		return nil
	}
	tick := time.NewTicker(repositoryPeriod)
	defer tick.Stop()
	var at map[string]string
	said := ""
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		refs := m.Refs()
		if m.repository.Missing() == nil && (m.leading.Load() || maps.Equal(refs, at)) {
			continue
		}
		err := m.repository.Complete(ctx, m.Refs, git.Peers(m.others()))
		switch {
		case err == nil:
			at, said = refs, ""
		case ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			m.log.ErrorContext(ctx, "the repository is not what the cluster says; what runs goes on", "err", err)
		}
	}
}
