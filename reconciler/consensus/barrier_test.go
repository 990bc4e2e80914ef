package consensus

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Barrier returns once everything that was committed before is applied here. It
// is an answer of the leader only, for tests that read what nobody may have overtaken.
func (c *Consensus) Barrier(ctx context.Context) error {
	select {
	case <-c.idle():
		return ErrNotLeader
	default:
	}
	err := c.ask(ctx, func() raft.Future { return c.raft.Barrier(0) })
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	return err
}
