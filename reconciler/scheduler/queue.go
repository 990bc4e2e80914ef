package scheduler

import (
	"cmp"
	"container/heap"
)

// candidate is a node as it stands while tasks are being placed.
type candidate struct {
	node   int32
	faulty bool
	count  int32 // tasks of the service on it
	total  int32 // tasks of all services on it
	placed int32 // of those, how many were placed just now
}

// compare orders candidates of one branch by the rule: the better one first.
func (c candidate) compare(d candidate) int {
	if c.faulty != d.faulty {
		return number(c.faulty) - number(d.faulty)
	}
	return cmp.Or(cmp.Compare(c.count, d.count), cmp.Compare(c.total, d.total), cmp.Compare(c.node, d.node))
}

// queue yields candidates, the best first, and takes them back after each has
// got one task more. Because that moves every candidate by the same step, those
// that come back are in order by themselves: a queue is the merge of streams
// and never sorts what it has placed.
type queue struct {
	idle  walk      // nodes without a task of the service, all better than those in busy
	next  candidate // of idle
	has   bool      // next is there
	busy  candidates
	again []candidate // came back, in order
}

// newQueue makes a queue of the nodes of the walk, which have no task of the
// service and are not faulty, and of others, whose memory it keeps.
func newQueue(idle walk, others candidates) *queue {
	heap.Init(others)
	q := &queue{idle: idle, busy: others}
	q.advance()
	return q
}

func (q *queue) advance() {
	q.next = candidate{}
	q.next.node, q.next.total, q.has = q.idle.next()
}

// pop takes the best candidate out.
func (q *queue) pop() (best candidate, ok bool) {
	switch {
	case q.has && q.first(q.next):
		best = q.next
		q.advance()
	case len(q.busy) > 0 && q.first(q.busy[0]):
		best = q.busy.pop()
	case len(q.again) > 0:
		best, q.again = q.again[0], q.again[1:]
	default:
		return candidate{}, false
	}
	return best, true
}

// first reports whether c is better than those that came back.
func (q *queue) first(c candidate) bool { return len(q.again) == 0 || c.compare(q.again[0]) < 0 }

// push puts a candidate back that has got one task.
func (q *queue) push(c candidate) {
	c.count, c.total, c.placed = c.count+1, c.total+1, c.placed+1
	q.again = append(q.again, c)
}

// candidates is a heap, the best first. Few of many are usually taken.
type candidates []candidate

func (h candidates) Len() int           { return len(h) }
func (h candidates) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }
func (h candidates) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h candidates) Push(any)           { panic("scheduler: a heap of candidates does not grow") }
func (h candidates) Pop() any           { panic("scheduler: a heap of candidates is popped by pop") }

// pop is heap.Pop without an allocation for each candidate.
func (h *candidates) pop() candidate {
	last := len(*h) - 1
	h.Swap(0, last)
	best := (*h)[last]
	*h = (*h)[:last]
	if last > 0 {
		heap.Fix(*h, 0)
	}
	return best
}
