package consensus

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Remove takes a manager out, unless that would cost the others their majority:
// see MayRemove. One that is no member is out already. A leader that is to
// remove itself hands over and answers ErrNotLeader: ask the next one.
func (c *Consensus) Remove(ctx context.Context, id string) error {
	err := c.changeMembers(ctx, func(members []Member) error {
		if !isMember(members, id) {
			return nil
		}
		if err := MayRemove(members, c.Reachable, id); err != nil {
			return err
		}
		if raft.ServerID(id) == c.id {
			if err := c.HandOver(ctx); err != nil {
				return err
			}
			return fmt.Errorf("%w any more: it has handed over to be removed: ask the new leader", ErrNotLeader)
		}
		return c.ask(ctx, func() raft.Future { return c.raft.RemoveServer(raft.ServerID(id), 0, membersPatience) })
	})
	if err != nil {
		return fmt.Errorf("remove manager %s: %w", id, err)
	}
	return nil
}

func isMember(members []Member, id string) bool {
	for _, m := range members {
		if m.ID == id {
			return true
		}
	}
	return false
}

// changeMembers lets one change at a time look at the members and act on it.
func (c *Consensus) changeMembers(ctx context.Context, change func([]Member) error) error {
	select {
	case c.changing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.changing }()
	if c.raft.State() != raft.Leader {
		return ErrNotLeader
	}
	members, err := c.Members()
	if err != nil {
		return err
	}
	return change(members)
}

// ask makes a request of raft and waits for the answer, but no longer than ctx:
// what was asked for may then happen yet.
func (c *Consensus) ask(ctx context.Context, request func() raft.Future) error {
	if !c.count(true) {
		return ErrClosed
	}
	done := make(chan error, 1)
	go func() {
		defer c.proposals.Done()
		done <- request().Error()
	}()
	return answered(ctx, done)
}

// await waits for raft's answer to what was asked, but no longer than ctx.
func await(ctx context.Context, answer raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- answer.Error() }()
	return answered(ctx, done)
}

func answered(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		if neverWritten(err) {
			return fmt.Errorf("%w: %w", ErrNotLeader, err)
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
