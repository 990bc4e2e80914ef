package converge

import (
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Wanted is how many tasks the service shall have now: its replicas, or if it is
// global one for each node that takes one and for each that keeps the one it
// has. It is 0 for a service that was removed.
func Wanted(snap store.Snapshot, svc specs.Service) uint64 {
	switch {
	case svc.Removed:
		return 0
	case svc.Spec.Mode == specs.Global:
		return uint64(len(slotNodes(snap, svc)))
	}
	return svc.Spec.WantedReplicas()
}

// slotNodes are the nodes that shall have a task of a global service, by ID.
func slotNodes(snap store.Snapshot, svc specs.Service) map[string]bool {
	f, nodes := fitOf(snap, svc.Spec), make(map[string]bool)
	for n := range snap.Nodes() {
		if f.takes(&n) {
			nodes[n.ID] = true
		}
	}
	for t := range snap.TasksOf(svc.ID) {
		if t.SlotNode == "" || !t.Wanted() || nodes[t.SlotNode] {
			continue
		}
		if n, known := snap.Node(t.SlotNode); known && n.Spec.Availability != specs.Drain && f.unmet(&n) == "" {
			nodes[n.ID] = true
		}
	}
	return nodes
}
