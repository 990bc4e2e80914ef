package reconciler

import (
	"context"
	"fmt"

	"github.com/swarmgit/swarmgit/specs"
)

// bootstrap writes the rows without which a cluster is none: its own, its
// remote's source, and the node of the manager that leads first. It does
// nothing in a cluster that has them.
func (m *Manager) bootstrap(ctx context.Context) error {
	snap, now := m.store.Snapshot(), m.raft.Now()
	var txs []specs.Transaction
	if snap.Cluster().ID == "" {
		txs = append(txs, specs.Transaction{{Cluster: &specs.Cluster{ID: newID(), Name: m.cfg.ClusterName, Key: clusterKey(), Created: now}}})
	}
	if _, ok := snap.Source(specs.MainSource); !ok {
		main := specs.Source{Name: specs.MainSource, Branch: "main"}
		txs = append(txs, specs.Transaction{{Source: specs.Insert(main.Name, main)}})
	}
	if _, ok := snap.Node(m.cfg.NodeID); !ok {
		node := specs.Node{ID: m.cfg.NodeID, Created: now, Spec: specs.NodeSpec{Role: specs.Manager}}
		txs = append(txs, specs.Transaction{{Node: specs.Insert(node.ID, node)}})
	}
	if len(txs) == 0 {
		return nil
	}
	errs, err := m.raft.Propose(ctx, txs)
	if err == nil {
		err = firstRefusal(errs)
	}
	if err != nil {
		return fmt.Errorf("write the first rows of the cluster: %w", err)
	}
	return nil
}
