package scheduler

import (
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// partition divides the nodes by their values of some spread preferences. Nodes
// without a label are together, as are all nodes when a key is no label.
type partition struct {
	leaves []leaf
	of     []int32 // by node: its leaf, noLeaf without a row
}

const noLeaf = -1

// leaf is the nodes that have the same values.
type leaf struct {
	path  []string // the value of each preference
	nodes bitset
}

// partition returns the nodes divided by the preferences.
func (s *State) partition(preferences []string) *partition {
	key := strings.Join(preferences, "\x00")
	if p, ok := s.partitions[key]; ok {
		return p
	}
	p := s.divide(preferences)
	if len(s.partitions) >= maxEligibilities {
		clear(s.partitions)
	}
	s.partitions[key] = p
	return p
}

func (s *State) divide(preferences []string) *partition {
	p := &partition{of: make([]int32, len(s.nodes))}
	known := make(map[string]int32)
	for i, n := range s.nodes {
		if p.of[i] = noLeaf; n.row == nil {
			continue
		}
		path := spreadValues(n.row, preferences)
		key := strings.Join(path, "\x00")
		at, ok := known[key]
		if !ok {
			at = int32(len(p.leaves))
			known[key] = at
			p.leaves = append(p.leaves, leaf{path: path})
		}
		p.leaves[at].nodes = p.leaves[at].nodes.with(int32(i))
		p.of[i] = at
	}
	return p
}

func spreadValues(n *specs.Node, preferences []string) []string {
	values := make([]string, len(preferences))
	for depth, key := range preferences {
		values[depth], _ = attribute(n, key)
	}
	return values
}

// spread makes the tree of branches of the preferences. idle are the candidates
// without a task of the service, others are those with one or with failures, and
// on are all tasks of the service.
func (s *State) spread(preferences []string, idle bitset, others []candidate, on map[int32]int32) *branch {
	p := s.partition(preferences)
	tasks, busy := make([]int32, len(p.leaves)), make([]candidates, len(p.leaves))
	for i, n := range on {
		if at := p.of[i]; at != noLeaf {
			tasks[at] += n
		}
	}
	for _, c := range others {
		at := p.of[c.node]
		busy[at] = append(busy[at], c)
	}
	root := new(branch)
	for at, l := range p.leaves {
		b := root
		b.tasks += tasks[at]
		for _, value := range l.path {
			b = b.child(value)
			b.tasks += tasks[at]
		}
		b.queue = newQueue(walk{levels: s.levels, mask: idle.and(l.nodes)}, busy[at])
	}
	return root
}
