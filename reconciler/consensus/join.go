package consensus

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Joining is what a manager says of itself when it asks the leader to take part.
type Joining struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Applied uint64 `json:"applied"`         // how far it follows
	Fresh   bool   `json:"fresh,omitempty"` // it does not vote: it began with an empty disk
	Format  int    `json:"format"`          // the newest that it reads
}

// caughtUp is how many entries a manager may be behind when it gets its vote:
// what the leader sends it at once.
const caughtUp = 64

// Joining is this manager's request to the leader. It is sent again and again
// until Join's answer is true; then Admit is called.
func (c *Consensus) Joining() Joining {
	return Joining{
		ID: string(c.id), Address: string(c.gate.LocalAddr()), Applied: c.raft.AppliedIndex(),
		Fresh: c.probation.on(), Format: Newest,
	}
}

// Admit makes this manager use the vote that the leader's Join has given it.
func (c *Consensus) Admit() error { return c.probation.end() }

// Join brings a manager one step nearer to its vote, and tells whether it has
// it. Ask again while it is false without an error. It is an answer of the
// leader only. A manager is added without a vote, so that one that cannot be
// reached or has to catch up stops nobody; it gets the vote once it has caught
// up. One that is known at another address is found at the new one from now on.
//
// A voter that comes back with an empty disk loses its vote first: it has
// forgotten what it has voted and written, and the others' majority must not
// rest on that.
func (c *Consensus) Join(ctx context.Context, j Joining) (voter bool, err error) {
	err = c.changeMembers(ctx, func(members []Member) error {
		if j.Format < c.format() {
			return fmt.Errorf("manager %s reads entries up to format %d and the cluster writes %d: install a newer release there", j.ID, j.Format, c.format())
		}
		step, err := nextStep(members, c.Reachable, j, c.CommitIndex())
		if err != nil {
			return err
		}
		voter = step.voter
		return c.take(ctx, step, j)
	})
	return voter && err == nil, err
}

// step is what is due for a joining manager.
type step struct {
	do    action
	voter bool // the manager has its vote once it is done
}

type action int

const (
	nothing action = iota
	write          // the manager's address, without a vote if it is new
	promote
	demote
)

// nextStep decides what is due.
func nextStep(members []Member, reachable func(string) bool, j Joining, commit uint64) (step, error) {
	var known *Member
	for i, m := range members {
		if m.ID == j.ID {
			known = &members[i]
		} else if m.Address == j.Address {
			return step{}, fmt.Errorf("manager %s has that address: if it is gone for good, demote it (swarmgit node demote %s) and remove it; else choose another with --advertise", m.ID, m.ID)
		}
	}
	switch {
	case known == nil:
		return step{do: write}, nil
	case known.Address != j.Address:
		return step{do: write, voter: known.Voter && !j.Fresh}, nil
	case known.Voter && j.Fresh:
		return step{do: demote}, MayRemove(members, reachable, j.ID)
	case known.Voter:
		return step{voter: true}, nil
	case j.Applied == 0 || j.Applied+caughtUp < commit || !reachable(j.ID):
		return step{}, nil // one that holds nothing yet would be on probation again after its next start
	}
	return step{do: promote, voter: true}, nil
}

func (c *Consensus) take(ctx context.Context, s step, j Joining) error {
	id, address := raft.ServerID(j.ID), raft.ServerAddress(j.Address)
	switch s.do {
	case write: // for raft this leaves a voter its vote
		return c.ask(ctx, func() raft.Future { return c.raft.AddNonvoter(id, address, 0, membersPatience) })
	case promote:
		return c.ask(ctx, func() raft.Future { return c.raft.AddVoter(id, address, 0, membersPatience) })
	case demote:
		return c.ask(ctx, func() raft.Future { return c.raft.DemoteVoter(id, 0, membersPatience) })
	}
	return nil
}
