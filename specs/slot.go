package specs

import (
	"cmp"
	"strconv"
)

// SlotID names a slot of a service, which one task at a time fills: it has a
// number from 1 in a replicated service, and belongs to a node in a global one.
type SlotID struct {
	Number uint64
	Node   string // node ID, in a global service
}

// Compare orders slots by number, then by node.
func (id SlotID) Compare(other SlotID) int {
	return cmp.Or(cmp.Compare(id.Number, other.Number), cmp.Compare(id.Node, other.Node))
}

// String is the number, or the node's ID.
func (id SlotID) String() string {
	if id.Node != "" {
		return id.Node
	}
	return strconv.FormatUint(id.Number, 10)
}
