package consensus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// membersPatience is how long raft may take to accept a change of members,
	// one after the other.
	membersPatience = 5 * time.Second
	// handOverPatience bounds how long Close tries to find a successor. Without
	// one the others wait for their patience and elect one.
	handOverPatience = 2 * time.Second
)

// HandOver makes another voter lead, without an election timeout, and returns
// once this manager does not lead any more. It is an answer of the leader only.
// Proposals that are under way are written first, new ones are refused.
func (c *Consensus) HandOver(ctx context.Context) error {
	if c.raft.State() != raft.Leader {
		return ErrNotLeader
	}
	c.handOver(true)
	defer c.handOver(false)
	ended := c.idle()
	successors, err := c.successors()
	if err != nil {
		return err
	}
	slices.SortStableFunc(successors, func(a, b Member) int { return c.fitness(b) - c.fitness(a) })
	var errs []error
	for _, m := range successors {
		err := await(ctx, c.raft.LeadershipTransferToServer(raft.ServerID(m.ID), raft.ServerAddress(m.Address)))
		if err == nil {
			c.log.InfoContext(ctx, "leadership handed over", "to", m.ID)
			select {
			case <-ended:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		errs = append(errs, fmt.Errorf("to %s: %w", m.ID, err))
		if ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 0 {
		return errors.New("hand over leadership: no other manager with a vote is reachable")
	}
	return fmt.Errorf("hand over leadership: %w", errors.Join(errs...))
}

// handOver notes that a hand-over begins, or that it is over, done or not.
func (c *Consensus) handOver(begins bool) {
	more := int32(-1)
	if begins {
		more = 1
	}
	c.handing.Add(more)
	c.news.Ring()
}

// Writes reports whether this manager leads and takes proposals, as far as it knows:
// it is not handing over. When that changes, [Consensus.Changed] tells.
func (c *Consensus) Writes() bool { return c.raft.State() == raft.Leader && c.handing.Load() == 0 }

// fitness is 1 of a manager whose disk has room, -1 of one whose has none, and 0
// where that is not known.
func (c *Consensus) fitness(m Member) int {
	switch has, known := c.room(m.ID); {
	case !known:
		return 0
	case has:
		return 1
	}
	return -1
}

// successors are the voters that could take over: those that answer. Raft brings
// whichever is chosen up to date before it lets go.
func (c *Consensus) successors() (able []Member, err error) {
	members, err := c.Members()
	for _, m := range members {
		if m.Voter && raft.ServerID(m.ID) != c.id && c.Reachable(m.ID) {
			able = append(able, m)
		}
	}
	return able, err
}

// retire hands over before Close, as well as it can.
func (c *Consensus) retire() {
	if c.raft == nil || c.raft.State() != raft.Leader {
		return
	}
	if able, err := c.successors(); err != nil || len(able) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOverPatience)
	defer cancel()
	if err := c.HandOver(ctx); err != nil {
		c.log.Warn("the other managers will elect a leader", "error", err)
	}
}
