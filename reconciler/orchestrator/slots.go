// Package orchestrator says how many tasks a service has: which slots are to
// be added and which are to go. It is pure, and converge asks it.
//
// It decides numbers only. What runs in a slot is rollout's question, whether a
// dead task comes back is restart's, and where a task runs is scheduler's.
package orchestrator

import (
	"cmp"
	"slices"
)

// Slot is one filled slot of a replicated service.
type Slot struct {
	Number  uint64
	Node    string // where its task is; empty if it is nowhere yet
	Running bool   // its task is wanted and is seen running
}

// Missing returns the numbers of the slots to add to the existing ones so that
// there are wanted of them, lowest free numbers first, and at most limit.
func Missing(have []uint64, wanted uint64, limit int) []uint64 {
	if wanted <= uint64(len(have)) {
		return nil
	}
	missing := min(wanted-uint64(len(have)), uint64(limit))
	taken := make(map[uint64]bool, len(have))
	for _, number := range have {
		taken[number] = true
	}
	added := make([]uint64, 0, missing)
	for number := uint64(1); uint64(len(added)) < missing; number++ {
		if !taken[number] {
			added = append(added, number)
		}
	}
	return added
}

// Excess returns the numbers of the slots to take away so that wanted of them
// are left, lowest first. Slots that do not run go first; then always one of
// the node that has most, so that what is left is spread; of equals the one
// with the highest number.
func Excess(slots []Slot, wanted uint64) []uint64 {
	if uint64(len(slots)) <= wanted {
		return nil
	}
	order := slices.Clone(slots)
	rank := copiesBefore(order)
	slices.SortFunc(order, func(a, b Slot) int {
		return cmp.Or(
			compareBool(a.Running, b.Running),
			-cmp.Compare(rank[a.Number], rank[b.Number]),
			-cmp.Compare(a.Number, b.Number))
	})
	gone := make([]uint64, 0, uint64(len(slots))-wanted)
	for _, slot := range order[:uint64(len(slots))-wanted] {
		gone = append(gone, slot.Number)
	}
	slices.Sort(gone)
	return gone
}

// copiesBefore counts for each slot the slots of its node that stay longer than
// it. Taking away the highest count first takes from the fullest node each time.
func copiesBefore(slots []Slot) map[uint64]int {
	byStay := slices.Clone(slots)
	slices.SortFunc(byStay, func(a, b Slot) int {
		return cmp.Or(-compareBool(a.Running, b.Running), cmp.Compare(a.Number, b.Number))
	})
	onNode := make(map[string]int)
	rank := make(map[uint64]int, len(slots))
	for _, slot := range byStay {
		rank[slot.Number] = onNode[slot.Node]
		onNode[slot.Node]++
	}
	return rank
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
