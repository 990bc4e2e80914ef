package scheduler

import "container/heap"

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
