package scheduler

import (
	"cmp"
	"slices"
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
// that come back are in order by themselves: a queue is the merge of two sorted
// streams and never sorts what it has placed.
type queue struct {
	fresh []candidate // sorted; not taken yet
	again []candidate // sorted; came back
	idle  walk        // not taken yet either: nodes without a task of the service, all before fresh
	next  candidate   // of idle
	has   bool        // next is there
}

// newQueue makes a queue of the nodes of the walk, which have no task of the
// service, and of others.
func newQueue(idle walk, others []candidate) *queue {
	slices.SortFunc(others, candidate.compare)
	q := &queue{idle: idle, fresh: others}
	q.advance()
	return q
}

func (q *queue) advance() {
	q.next = candidate{}
	q.next.node, q.next.total, q.has = q.idle.next()
}

// pop takes the best candidate out.
func (q *queue) pop() (best candidate, ok bool) {
	from := &q.fresh
	switch {
	case q.has && (len(q.again) == 0 || q.next.compare(q.again[0]) < 0):
		best = q.next
		q.advance()
		return best, true
	case len(q.again) > 0 && (len(q.fresh) == 0 || q.again[0].compare(q.fresh[0]) < 0):
		from = &q.again
	case len(q.fresh) == 0:
		return candidate{}, false
	}
	best, *from = (*from)[0], (*from)[1:]
	return best, true
}

// push puts a candidate back that has got one task.
func (q *queue) push(c candidate) {
	c.count, c.total, c.placed = c.count+1, c.total+1, c.placed+1
	q.again = append(q.again, c)
}
