package consensus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// Member is a manager as the managers' agreement names it.
type Member struct {
	ID      string
	Address string
	Voter   bool // false: it receives everything and is not counted yet
	Leader  bool // as far as this manager knows
}

// Members are the managers in the order of their IDs, as this manager knows
// them. The last change may not be agreed on yet. There are none before this
// manager has heard of a cluster.
func (c *Consensus) Members() ([]Member, error) {
	current := c.raft.GetConfiguration()
	if err := current.Error(); err != nil {
		return nil, fmt.Errorf("read who the managers are: %w", err)
	}
	_, leader := c.raft.LeaderWithID()
	return membersOf(current.Configuration(), leader), nil
}

func membersOf(c raft.Configuration, leader raft.ServerID) (members []Member) {
	for _, s := range c.Servers {
		members = append(members, Member{
			ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter, Leader: s.ID == leader,
		})
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return members
}

// Leader is who leads as far as this manager knows, and where it is. Both are
// empty while nobody is known to lead.
func (c *Consensus) Leader() (id, address string) {
	at, who := c.raft.LeaderWithID()
	return string(who), string(at)
}

// Leaderless is how long this manager has known nobody who leads, 0 while it knows
// one. It begins anew with each start.
func (c *Consensus) Leaderless() time.Duration {
	if id, _ := c.Leader(); id != "" || c.lasts() { // raft knows of no leader a moment before it notes that it had led itself
		return 0
	}
	last := c.raft.LastContact()
	if last.Before(c.opened) {
		last = c.opened
	}
	return time.Since(last)
}

// Changed returns a channel that is closed when another manager, or none, is
// known to lead, when the leader begins or ends to hand over, or when the members
// change. Take the channel first, then look.
func (c *Consensus) Changed() <-chan struct{} { return c.news.Next() }

// Reachable tells whether the manager answered this one a short while ago. It is an
// answer of the leader, and of one that knows none and asks the others for votes.
// Who follows a leader, or knows of no vote of its own, asks nobody and reaches
// itself alone.
func (c *Consensus) Reachable(id string) bool {
	switch {
	case raft.ServerID(id) == c.id:
		return true
	case c.raft.State() == raft.Leader:
		return c.gate.reached(raft.ServerID(id), answerPatience)
	}
	leader, _ := c.Leader()
	return leader == "" && c.gate.reached(raft.ServerID(id), votePatience)
}

// AppliedIndex is the index of the last change in the store of this manager.
func (c *Consensus) AppliedIndex() uint64 { return c.machine.index() }

// CommitIndex is the index of the last entry that this manager knows to be
// agreed on. Entries that hold no change count, so the store may never have it.
func (c *Consensus) CommitIndex() uint64 { return c.raft.CommitIndex() }

// WaitApplied returns once this manager's store holds the change that another
// manager's AppliedIndex named. It returns ctx's error, or ErrClosed.
func (c *Consensus) WaitApplied(ctx context.Context, index uint64) error {
	for {
		applied := c.machine.applied.Next()
		if c.machine.index() >= index {
			return nil
		}
		select {
		case <-applied:
		case <-c.closed:
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("wait for change %d, have %d: %w", index, c.machine.index(), context.Cause(ctx))
		}
	}
}

// observe is called by raft when something has happened, under raft's locks.
func (c *Consensus) observe(o *raft.Observation) bool {
	switch seen := o.Data.(type) {
	case raft.LeaderObservation, raft.PeerObservation:
		c.news.Ring()
	case raft.RequestVoteRequest:
		c.gate.heard(seen.RPCHeader)
	case raft.RequestPreVoteRequest:
		c.gate.heard(seen.RPCHeader)
	}
	return false // all is done: nothing waits in a channel that could be full
}
