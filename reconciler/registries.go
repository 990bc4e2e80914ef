package reconciler

import (
	"context"
	"fmt"

	"github.com/swarmgit/swarmgit/reconciler/images"
	"github.com/swarmgit/swarmgit/reconciler/secrets"
	"github.com/swarmgit/swarmgit/specs"
)

// login is what the cluster keeps for the registry of an image.
func (m *Manager) login(image string) (specs.Login, error) {
	cluster := m.store.Snapshot().Cluster()
	kept, found := cluster.Registry(images.Host(image))
	if !found {
		return specs.Login{}, nil
	}
	password, err := secrets.KeysOf(cluster).Open(kept.Secret)
	if err != nil {
		return specs.Login{}, fmt.Errorf("open the cluster's login for registry %s: %w", kept.Host, err)
	}
	return specs.Login{User: kept.User, Password: specs.Hidden(password)}, nil
}

// lookups asks registries; it is nil where nobody can be asked.
func (m *Manager) lookups() images.Lookup {
	if m.cfg.Lookup == nil {
		return nil
	}
	return m.lookup
}

// lookup asks the registry of an image, with what the cluster keeps for it.
func (m *Manager) lookup(ctx context.Context, image string) (string, error) {
	login, err := m.login(image)
	if err != nil {
		return "", err
	}
	return m.cfg.Lookup(ctx, image, login)
}

// TryLogin asks a registry whether the login opens it.
func (m *Manager) TryLogin(ctx context.Context, host string, login specs.Login) error {
	return m.cfg.TryLogin(ctx, host, login)
}

// Seal encrypts what the cluster keeps and does not show.
func (m *Manager) Seal(content []byte) []byte {
	return secrets.KeysOf(m.store.Snapshot().Cluster()).Seal(content)
}
