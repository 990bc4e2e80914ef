// Package orchestrator says how many tasks a service has: which slots are to
// be added and which are to go. It is pure, and converge asks it.
//
// It decides numbers and nodes of slots only. What runs in a slot is rollout's
// question, whether a dead task comes back is restart's, and where the task of a
// numbered slot runs is scheduler's. A service that changes its mode gets the
// slots of the new one and loses those of the old one.
package orchestrator

import (
	"cmp"
	"slices"

	"github.com/swarmgit/swarmgit/specs"
)

// Slot is one filled slot of a service.
type Slot struct {
	ID      specs.SlotID
	Node    string // where its task is; empty if it is nowhere yet
	Running bool   // its task is wanted and runs for all that anybody knows
}

// Replicated returns the slots to add, at most limit, and those to take away, so
// that there are wanted numbered ones and no others.
func Replicated(slots []Slot, wanted uint64, limit int) (add, gone []specs.SlotID) {
	numbered := make([]Slot, 0, len(slots))
	for _, slot := range slots {
		if slot.ID.Node != "" {
			gone = append(gone, slot.ID)
		} else {
			numbered = append(numbered, slot)
		}
	}
	return missing(numbered, wanted, limit), append(gone, excess(numbered, wanted)...)
}

// missing returns the slots to add: lowest free numbers first.
func missing(have []Slot, wanted uint64, limit int) []specs.SlotID {
	if wanted <= uint64(len(have)) {
		return nil
	}
	lack := min(wanted-uint64(len(have)), uint64(limit))
	taken := make(map[uint64]bool, len(have))
	for _, slot := range have {
		taken[slot.ID.Number] = true
	}
	add := make([]specs.SlotID, 0, lack)
	for number := uint64(1); uint64(len(add)) < lack; number++ {
		if !taken[number] {
			add = append(add, specs.SlotID{Number: number})
		}
	}
	return add
}

// excess returns the slots to take away, lowest first. Slots that do not run go
// first; then always one of the node that has most, so that what is left is
// spread; of equals the one with the highest number.
func excess(slots []Slot, wanted uint64) []specs.SlotID {
	if uint64(len(slots)) <= wanted {
		return nil
	}
	order := slices.Clone(slots)
	rank := copiesBefore(order)
	slices.SortFunc(order, func(a, b Slot) int {
		return cmp.Or(
			compareBool(a.Running, b.Running),
			-cmp.Compare(rank[a.ID], rank[b.ID]),
			-a.ID.Compare(b.ID))
	})
	gone := make([]specs.SlotID, 0, uint64(len(slots))-wanted)
	for _, slot := range order[:uint64(len(slots))-wanted] {
		gone = append(gone, slot.ID)
	}
	slices.SortFunc(gone, specs.SlotID.Compare)
	return gone
}

// copiesBefore counts for each slot the slots of its node that stay longer than
// it. Taking away the highest count first takes from the fullest node each time.
func copiesBefore(slots []Slot) map[specs.SlotID]int {
	byStay := slices.Clone(slots)
	slices.SortFunc(byStay, func(a, b Slot) int {
		return cmp.Or(-compareBool(a.Running, b.Running), a.ID.Compare(b.ID))
	})
	onNode := make(map[string]int)
	rank := make(map[specs.SlotID]int, len(slots))
	for _, slot := range byStay {
		rank[slot.ID] = onNode[slot.Node]
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
