package reconciler

import (
	"context"
	"fmt"

	"github.com/swarmgit/swarmgit/specs"
)

// First is what a cluster begins with.
type First struct {
	ClusterID string          `json:"cluster_id"`
	Name      string          `json:"name"`
	NodeID    string          `json:"node_id"` // of its first manager
	Hostname  string          `json:"hostname,omitempty"`
	Authority specs.Authority `json:"authority"`
}

// bootstrap writes the rows without which a cluster is none: its own, its
// remote's source, and the node of the manager that makes it. It does nothing
// in a cluster that has them.
func (m *Manager) bootstrap(ctx context.Context) error {
	if m.cfg.First == nil || m.store.Snapshot().Cluster().ID != "" {
		return nil
	}
	first, now := m.cfg.First, m.raft.Now()
	main := specs.Source{Name: specs.MainSource, Branch: "main"}
	node := specs.Node{ID: first.NodeID, Created: now, Spec: specs.NodeSpec{Role: specs.Manager}}
	node.Seen.Description.Hostname = first.Hostname
	errs, err := m.raft.Propose(ctx, []specs.Transaction{{
		{Cluster: &specs.Cluster{ID: first.ClusterID, Name: first.Name, Key: clusterKey(), Created: now}},
		{Authority: &first.Authority},
		{Source: specs.Insert(main.Name, main)},
		{Node: specs.Insert(node.ID, node)},
	}})
	if err == nil {
		err = firstRefusal(errs)
	}
	if err != nil {
		return fmt.Errorf("write the first rows of the cluster: %w", err)
	}
	return nil
}
