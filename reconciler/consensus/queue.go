package consensus

import (
	"slices"
	"sync"
)

// entriesFlying is how many entries wait for raft's answer at once. While they
// do, proposals gather and share the next entry, which costs a fraction of one
// each; more than one keeps the disk and the network busy at the same time. One
// that is full already has nothing to gain and does not wait.
const entriesFlying = 2

// queue is the proposals on their way into entries.
type queue struct {
	ready chan struct{} // holds one when next may have something

	mu      sync.Mutex
	waiting []part
	flying  int
	ended   bool
}

// proposal is one call of Propose. Its fields are the queue's until it is settled.
type proposal struct {
	errs    []error // one for each transaction
	total   int     // of batches
	left    int     // batches that wait for their answer
	refused int     // batches that never were in the log
	failure error
	done    chan error
}

// part is a batch on its way, and whose it is.
type part struct {
	batch
	of *proposal
}

// add takes a proposal, unless the queue has ended.
func (q *queue) add(p *proposal, batches []batch) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false
	}
	for _, b := range batches {
		q.waiting = append(q.waiting, part{b, p})
	}
	q.wake()
	return true
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// next takes what the next entry holds; nil while nothing waits or too many fly.
func (q *queue) next() (parts []part) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.waiting) && (n == 0 || bytes < entryFull && bytes+q.waiting[n].bytes <= entryMax) {
		bytes += q.waiting[n].bytes
		n++
	}
	if n == 0 || q.flying >= entriesFlying && bytes < entryFull {
		return nil
	}
	parts = q.waiting[:n:n]
	q.wait(q.waiting[n:])
	q.flying++
	return parts
}

// wait sets what waits. The caller holds the mutex.
func (q *queue) wait(parts []part) {
	if len(parts) == 0 {
		parts = nil // or its memory would keep all that has passed
	}
	q.waiting = parts
}

// withdraw takes back what of a proposal is in no entry yet. It reports whether that is
// all of it, and whether it waits for nothing more.
func (q *queue) withdraw(p *proposal) (all, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.waiting)
	q.wait(slices.DeleteFunc(q.waiting, func(w part) bool { return w.of == p }))
	taken := before - len(q.waiting)
	p.left -= taken
	return taken == p.total, taken > 0 && p.left == 0
}

// settle sorts the answer for one entry, a result for each transaction or an
// error for all, and returns the proposals that wait for nothing more.
func (q *queue) settle(parts []part, results []error, err error) (done []*proposal) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, part := range parts {
		p := part.of
		switch {
		case err == nil:
			for i, at := range part.from {
				p.errs[at] = results[i]
			}
			results = results[len(part.from):]
		case neverWritten(err):
			p.refused++
			fallthrough
		default:
			p.failure = err
		}
		if p.left--; p.left == 0 {
			done = append(done, p)
		}
	}
	q.flying--
	q.wake()
	return done
}

// end returns what will not be written any more, each as if it flew.
func (q *queue) end() (parts []part) {
	q.mu.Lock()
	defer q.mu.Unlock()
	parts, q.waiting, q.ended = q.waiting, nil, true
	q.flying += len(parts)
	return parts
}

// merge makes one batch of several. What it says of their transactions' places
// means nothing.
func merge(parts []part) (all batch) {
	if len(parts) == 1 {
		return parts[0].batch
	}
	for _, p := range parts {
		all.txs, all.bytes = append(all.txs, p.txs...), all.bytes+p.bytes
	}
	return all
}
