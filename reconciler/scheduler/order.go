package scheduler

import (
	"cmp"
	"slices"

	"github.com/swarmgit/swarmgit/specs"
)

// idle reports that nothing is left to know of a node that has no row.
func (s *State) idle(i int32) bool {
	return s.nodes[i].row == nil && s.total[i] == 0 && s.free[i] == specs.Resources{} && !s.ports.held(i)
}

// sort puts the nodes in the order of their IDs again after some came or went,
// and drops those that nothing names any more.
func (s *State) sort() {
	if !s.unsorted {
		return
	}
	order := make([]int32, 0, len(s.nodes))
	for i := range s.nodes {
		if !s.idle(int32(i)) {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(s.nodes[a].id, s.nodes[b].id) })
	s.reorder(order)
	s.unsorted = false
}

// reorder gives the nodes the indexes that they have in order.
func (s *State) reorder(order []int32) {
	old := *s
	s.nodes, s.free, s.total = make([]node, len(order)), make([]specs.Resources, len(order)), make([]int32, len(order))
	s.index, s.open, s.levels = make(map[string]int32, len(order)), nil, nil
	moved := make(map[int32]int32, len(order))
	for to, from := range order {
		i := int32(to)
		moved[from] = i
		s.nodes[i], s.free[i], s.total[i] = old.nodes[from], old.free[from], old.total[from]
		s.index[s.nodes[i].id] = i
		if s.nodes[i].row == nil {
			continue
		}
		s.levels.add(i, s.total[i])
		if old.open.has(from) {
			s.open = s.open.with(i)
		}
	}
	s.ports = old.ports.moved(moved)
	s.services = make(map[string]*counts, len(old.services))
	for id, c := range old.services {
		on := make(map[int32]int32, len(c.on))
		for from, n := range c.on {
			on[moved[from]] = n
		}
		s.services[id] = &counts{owner: s.owner, on: on}
	}
	s.forgetAttributes()
}
