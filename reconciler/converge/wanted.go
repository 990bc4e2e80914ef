package converge

import (
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Wanted is how many tasks the service shall have now: its replicas, or if it is
// global one for each node that takes one and for each that keeps the one it
// has, but for those that are down: see Kept. It is 0 for a service that was
// removed.
func Wanted(snap store.Snapshot, svc specs.Service) uint64 {
	switch {
	case svc.Removed:
		return 0
	case svc.Spec.Mode == specs.Global:
		return uint64(len(slotNodes(snap, svc)))
	}
	return svc.Spec.WantedReplicas()
}

// Kept is how many tasks the service does not lose: those that are Wanted, and of
// a global one those that wait for their nodes to be back.
func Kept(snap store.Snapshot, svc specs.Service) uint64 {
	kept := Wanted(snap, svc)
	if svc.Spec.Mode == specs.Global && !svc.Removed {
		f := fitOf(snap, svc.Spec)
		for t := range snap.TasksOf(svc.ID) {
			if t.SlotNode != "" && t.Wanted() && down(snap, t.SlotNode) && f.keeps(snap, t.SlotNode) {
				kept++
			}
		}
	}
	return kept
}

// Runs reports that the task is wanted and runs for all that anybody knows. What a
// node that is down said of its tasks last may not be true any more.
func Runs(snap store.Snapshot, t *specs.Task) bool {
	return t.Wanted() && t.Seen.State == specs.StateRunning && !down(snap, t.Want.Node)
}

func down(snap store.Snapshot, nodeID string) bool {
	n, _ := snap.Node(nodeID)
	return n.Seen.Status == specs.NodeDown
}

// slotNodes are the nodes that shall have a task of a global service now, by ID.
func slotNodes(snap store.Snapshot, svc specs.Service) map[string]bool {
	f, nodes := fitOf(snap, svc.Spec), make(map[string]bool)
	for n := range snap.Nodes() {
		if f.takes(&n) {
			nodes[n.ID] = true
		}
	}
	for t := range snap.TasksOf(svc.ID) {
		if t.SlotNode != "" && t.Wanted() && !nodes[t.SlotNode] && !down(snap, t.SlotNode) && f.keeps(snap, t.SlotNode) {
			nodes[t.SlotNode] = true
		}
	}
	return nodes
}

// keeps reports that the node keeps the task that it has of the service.
func (f fit) keeps(snap store.Snapshot, nodeID string) bool {
	n, known := snap.Node(nodeID)
	return known && n.Spec.Availability != specs.Drain && f.unmet(&n) == ""
}
