package consensus

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/specs"
)

// Propose writes the transactions, in order, and returns once they are applied
// here. The first result has one error for each: nil, or why it was refused,
// which wraps store.ErrConflict unless the transaction is too large. The second
// is set when nothing is known of them or nothing was written: ErrNotLeader,
// ErrDiskFull, or ErrOutcomeUnknown, also when ctx ends.
//
// Transactions may be committed in several entries, so one may be written and a
// later one not.
func (c *Consensus) Propose(ctx context.Context, txs []specs.Transaction) ([]error, error) {
	batches, errs, err := pack(txs)
	if err != nil || len(batches) == 0 {
		return errs, err
	}
	if err := c.DiskTrouble(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !c.begin() {
		return nil, ErrNotLeader
	}
	done := make(chan error, 1)
	go func() {
		defer c.proposals.Done()
		done <- c.write(batches, errs)
	}()
	select {
	case err := <-done:
		return errs, err
	case <-ctx.Done():
		return nil, unknown(context.Cause(ctx)) // errs is still written to
	}
}

// begin counts a proposal in, if this manager leads. Counting under the lock
// keeps Close from missing one.
func (c *Consensus) begin() bool {
	c.leadership.mu.Lock()
	defer c.leadership.mu.Unlock()
	if c.leading {
		c.proposals.Add(1)
	}
	return c.leading
}

// write hands all batches to raft, in order, before it waits for the first
// answer. It blocks while raft's queue is full.
func (c *Consensus) write(batches []batch, errs []error) error {
	at := c.Now()
	var entries [][]byte
	for _, b := range batches {
		data, err := b.encode(at)
		if err != nil {
			return fmt.Errorf("encode an entry: %w", err)
		}
		entries = append(entries, data)
	}
	var answers []raft.ApplyFuture
	for _, data := range entries {
		answers = append(answers, c.raft.Apply(data, 0))
	}
	return collect(batches, answers, errs)
}

// collect waits for raft's answers and sorts them into errs.
func collect(batches []batch, answers []raft.ApplyFuture, errs []error) error {
	var failure error
	refused := 0
	for i, answer := range answers {
		if err := answer.Error(); err != nil {
			failure = err
			if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipTransferInProgress) {
				refused++ // it never was in the log
			}
			continue
		}
		results, ok := answer.Response().([]error)
		if !ok {
			return unknown(answer.Response().(error)) // this node cannot read the entry and stops
		}
		for j, result := range results {
			errs[batches[i].from[j]] = result
		}
	}
	switch {
	case failure == nil:
		return nil
	case refused == len(answers):
		return ErrNotLeader
	}
	return unknown(failure)
}

func unknown(cause error) error {
	return fmt.Errorf("%w: look again before repeating it: %w", ErrOutcomeUnknown, cause)
}
