package orchestrator

import "github.com/swarmgit/swarmgit/specs"

// Node is one node of the cluster as a global service sees it.
type Node struct {
	ID    string
	Takes bool // it may get a task now; any other keeps at most the one that it has
}

// Global returns the slots to add, at most limit, and those to take away, so
// that every node that takes a task has a slot. The slot of a node that takes
// none stays, with or without a task in it, as long as there is the node.
func Global(slots []Slot, nodes []Node, limit int) (add, gone []specs.SlotID) {
	has := make(map[specs.SlotID]bool, len(slots))
	for _, slot := range slots {
		has[slot.ID] = true
	}
	known := make(map[specs.SlotID]bool, len(nodes))
	for _, node := range nodes {
		id := specs.SlotID{Node: node.ID}
		known[id] = true
		if node.Takes && !has[id] && len(add) < limit {
			add = append(add, id)
		}
	}
	for _, slot := range slots {
		if !known[slot.ID] {
			gone = append(gone, slot.ID)
		}
	}
	return add, gone
}
