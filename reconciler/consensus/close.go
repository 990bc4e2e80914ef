package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// closePatience bounds how long Close waits for proposals that raft has taken,
// and then for raft. A disk that hangs would hold them for ever.
const closePatience = 5 * time.Second

// Close leaves office and lets go of the disk. Proposals under way are answered
// first; then another voter is made the leader, within handOverPatience, so that
// the cluster is not without one. It is safe to call again, and returns once all
// is done.
func (c *Consensus) Close() error {
	if c.closing.Swap(true) {
		<-c.released
		return c.closeErr
	}
	defer close(c.released)
	c.leadership.end()
	c.leadership.close()
	c.awaitProposals()
	c.retire()
	close(c.closed)
	c.closeErr = c.release()
	return c.closeErr
}

func (c *Consensus) awaitProposals() {
	idle := make(chan struct{})
	go func() {
		c.proposals.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(closePatience):
	}
}

// release ends raft. The network goes first, so that nothing waits for it.
func (c *Consensus) release() error {
	var errs []error
	if c.raft != nil {
		ended := c.raft.Shutdown()
		errs = append(errs, c.gate.Close())
		ctx, cancel := context.WithTimeout(context.Background(), closePatience)
		defer cancel()
		if err := await(ctx, ended); err != nil {
			return errors.Join(append(errs, fmt.Errorf("the disk hangs, its files are left open: %w", err))...)
		}
	} else if c.gate != nil {
		errs = append(errs, c.gate.Close())
	}
	return errors.Join(append(errs, c.storage.close())...)
}
