package reconciler

import (
	"context"
	"errors"
	"fmt"

	"github.com/swarmgit/swarmgit/reconciler/secrets"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// content is what a stored secret or config holds.
func (m *Manager) content(p specs.Payload) ([]byte, error) {
	return secrets.KeysOf(m.store.Snapshot().Cluster()).Content(p)
}

// Payload is the stored form of a new secret or config.
func (m *Manager) Payload(kind specs.FileKind, content []byte) specs.Payload {
	return secrets.KeysOf(m.store.Snapshot().Cluster()).Payload(kind, content)
}

// AgeRecipient is whom people encrypt for, so that the cluster can read it: the
// first call draws the key.
func (m *Manager) AgeRecipient(ctx context.Context) (string, error) {
	for {
		cluster := m.store.Snapshot().Cluster()
		keys := secrets.KeysOf(cluster)
		if len(cluster.AgeKey) > 0 {
			return keys.Recipient()
		}
		key, err := keys.NewAgeKey()
		if err != nil {
			return "", err
		}
		cluster.AgeKey = key
		if err := m.Propose(ctx, specs.Transaction{{Cluster: &cluster}}); err != nil && !errors.Is(err, store.ErrConflict) {
			return "", err
		}
	}
}

// maxBrought is how many bytes of new secrets and configs one push may bring: a
// push is one transaction, and an entry of Raft's has its limit.
const maxBrought = 3 << 20

// tooMuch refuses a transaction with more than that.
func tooMuch(tx specs.Transaction) []specs.Problem {
	sum := 0
	for _, change := range tx {
		if change.Payload != nil {
			sum += len(change.Payload.Data)
		}
	}
	if sum <= maxBrought {
		return nil
	}
	return []specs.Problem{{Message: fmt.Sprintf("the push brings %s of new secrets and configs, and may bring %s: push them in parts",
		specs.Bytes(sum), specs.Bytes(maxBrought))}}
}
