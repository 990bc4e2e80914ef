package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/specs"
)

// Propose writes the transactions, in order, and returns once they are applied
// here. The first result has one error for each: nil, or why it was refused,
// which wraps store.ErrConflict unless the transaction is too large. The second
// is set when nothing is known of them or nothing was written: ErrNotLeader,
// ErrDiskFull, or ErrOutcomeUnknown. When ctx ends, what raft has not been given yet is
// withdrawn: the error is its cause alone if that is all.
//
// Transactions may be committed in several entries, so one may be written and a
// later one not.
func (c *Consensus) Propose(ctx context.Context, txs []specs.Transaction) ([]error, error) {
	began := time.Now()
	errs, err := c.propose(ctx, txs)
	c.proposed(time.Since(began), err)
	return errs, err
}

func (c *Consensus) propose(ctx context.Context, txs []specs.Transaction) ([]error, error) {
	batches, errs, err := pack(txs)
	if err != nil || len(batches) == 0 {
		return errs, err
	}
	if err := c.DiskTrouble(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !c.begin() {
		return nil, ErrNotLeader
	}
	p := &proposal{errs: errs, total: len(batches), left: len(batches), done: make(chan error, 1)}
	if !c.queue.add(p, batches) {
		c.proposals.Done()
		return nil, ErrNotLeader
	}
	select {
	case err := <-p.done:
		return errs, err
	case <-c.released:
		return nil, unknown(ErrClosed)
	case <-ctx.Done():
		all, over := c.queue.withdraw(p)
		if over {
			c.proposals.Done()
		}
		if all {
			return nil, context.Cause(ctx)
		}
		return nil, unknown(context.Cause(ctx)) // errs is still written to
	}
}

// begin counts a proposal in, if this manager leads and has not stood still.
func (c *Consensus) begin() bool { return c.count(false) }

// count counts in something that raft is to answer, if this manager leads, or is
// about to. Counting under the lock keeps Close from missing one: raft never
// answers what it is asked after its end.
func (c *Consensus) count(elected bool) bool {
	c.leadership.mu.Lock()
	defer c.leadership.mu.Unlock()
	counts := c.leading && c.still() < c.stillness() || elected && !c.over
	if counts {
		c.proposals.Add(1)
	}
	return counts
}

// write turns what waits into entries until the consensus is closed. It alone
// hands entries to raft, so that those of one proposal stay in order.
func (c *Consensus) write() {
	for {
		select {
		case <-c.queue.ready:
		case <-c.closed:
			for _, parts := range c.queue.end() {
				c.settle([]part{parts}, nil, raft.ErrNotLeader)
			}
			return
		}
		for parts := c.queue.next(); parts != nil; parts = c.queue.next() {
			c.submit(parts)
		}
	}
}

// submit hands one entry to raft. It blocks while raft's queue is full.
func (c *Consensus) submit(parts []part) {
	data, err := merge(parts).encode(c.format(), c.Now())
	if err != nil {
		c.settle(parts, nil, fmt.Errorf("encode an entry: %w", err))
		return
	}
	began := time.Now()
	answer := c.raft.Apply(data, 0)
	go func() {
		err := answer.Error()
		if err != nil {
			c.settle(parts, nil, err)
			return
		}
		c.committed(time.Since(began))
		results, ok := answer.Response().([]error)
		if !ok {
			err = answer.Response().(error) // this node cannot read the entry and stops
		}
		c.settle(parts, results, err)
	}()
}

// settle tells the proposals of one entry what became of it.
func (c *Consensus) settle(parts []part, results []error, err error) {
	for _, p := range c.queue.settle(parts, results, err) {
		p.done <- p.outcome()
		c.proposals.Done()
	}
}

// outcome is what Propose returns once every batch has its answer.
func (p *proposal) outcome() error {
	switch {
	case p.failure == nil:
		return nil
	case p.refused == p.total:
		return ErrNotLeader
	}
	return unknown(p.failure)
}

// neverWritten tells whether raft's answer means that the entry never was in the log.
func neverWritten(err error) bool {
	return errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipTransferInProgress)
}

func unknown(cause error) error {
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, cause)
}
