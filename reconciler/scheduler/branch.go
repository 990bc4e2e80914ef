package scheduler

import (
	"container/heap"

	"github.com/swarmgit/swarmgit/specs"
)

// branch is the nodes that share their values of the first few spread
// preferences. The root has all nodes; without preferences it is a leaf.
type branch struct {
	tasks  int32 // of the service, on all nodes of the branch, also unsuitable ones
	inner  map[string]*branch
	ranked ranking // the inner branches that have a candidate, the best first

	queue *queue // of a leaf
	top   candidate
}

// ranking is a heap of branches of which each has a candidate.
type ranking []*branch

func (r ranking) Len() int           { return len(r) }
func (r ranking) Less(i, j int) bool { return r[i].before(r[j]) }
func (r ranking) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *ranking) Push(b any)        { *r = append(*r, b.(*branch)) }
func (r *ranking) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// before reports whether the next task goes to a node of b rather than of c.
func (b *branch) before(c *branch) bool {
	for {
		x, y := b.best(), c.best()
		switch {
		case x.faulty != y.faulty:
			return y.faulty
		case b.tasks != c.tasks:
			return b.tasks < c.tasks
		case b.queue != nil:
			return x.compare(y) < 0
		}
		b, c = b.ranked[0], c.ranked[0]
	}
}

func (b *branch) best() candidate {
	for b.queue == nil {
		b = b.ranked[0]
	}
	return b.top
}

// take returns the best candidate, whose node then has one task more. left
// reports whether the branch has a candidate for another.
func (b *branch) take(p *placing) (c candidate, left bool) {
	b.tasks++
	if b.queue != nil {
		c = b.top
		b.queue.push(c)
		return c, b.advance(p)
	}
	c, left = b.ranked[0].take(p)
	if left {
		heap.Fix(&b.ranked, 0)
	} else {
		heap.Pop(&b.ranked)
	}
	return c, len(b.ranked) > 0
}

// advance looks for the leaf's next candidate that has room.
func (b *branch) advance(p *placing) bool {
	for {
		c, ok := b.queue.pop()
		if !ok {
			return false
		}
		if p.hasRoom(c) {
			b.top = c
			return true
		}
	}
}

// rank makes the branch ready for take. It is false when it has no candidate.
func (b *branch) rank(p *placing) bool {
	if b.queue != nil {
		return b.advance(p)
	}
	for _, c := range b.inner {
		if c.rank(p) {
			b.ranked = append(b.ranked, c)
		}
	}
	heap.Init(&b.ranked)
	return len(b.ranked) > 0
}

// spread deals the candidates of q out to the branches of the preferences.
func (s *State) spread(preferences []string, on map[int32]int32, q *queue) *branch {
	t := tree{s: s, preferences: preferences, leaves: make(map[int32]*branch)}
	for i, n := range on {
		if s.nodes[i].row != nil {
			t.add(i, n)
		}
	}
	for c, ok := q.pop(); ok; c, ok = q.pop() {
		leaf := t.leaf(c.node)
		leaf.queue.fresh = append(leaf.queue.fresh, c)
	}
	return &t.root
}

// tree is a root branch and, by class of node, its leaves.
type tree struct {
	s           *State
	preferences []string
	root        branch
	leaves      map[int32]*branch
}

func (t *tree) leaf(i int32) *branch {
	n := t.s.nodes[i]
	leaf, ok := t.leaves[n.class]
	if !ok {
		leaf = t.add(i, 0)
		if leaf.queue == nil {
			leaf.queue = new(queue)
		}
		t.leaves[n.class] = leaf
	}
	return leaf
}

// add counts tasks on the way from the root to the node's leaf, which is
// returned.
func (t *tree) add(i, tasks int32) *branch {
	b := &t.root
	b.tasks += tasks
	for _, key := range t.preferences {
		b = b.child(spreadValue(t.s.nodes[i].row, key))
		b.tasks += tasks
	}
	return b
}

func (b *branch) child(value string) *branch {
	c, ok := b.inner[value]
	if !ok {
		c = new(branch)
		if b.inner == nil {
			b.inner = make(map[string]*branch)
		}
		b.inner[value] = c
	}
	return c
}

// spreadValue is the node's value of a label; nodes without it, or all nodes
// when it is no label, are a branch of their own.
func spreadValue(n *specs.Node, key string) string {
	value, _ := attribute(n, key)
	return value
}
