package reconciler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// patience bounds how long a person waits for an answer that Raft owes. What Raft has
// been given by then waits on: where the disk of the only manager hangs, it is written
// once that goes on.
const patience = 10 * time.Second

var errNoAnswer = fmt.Errorf("no answer within %s", patience)

// changeAttempts is how often change looks again after a conflict: a decision
// about one of the same rows came first.
const changeAttempts = 5

// change proposes what decide makes of the newest state, again after a conflict.
// An error of decide ends it. The outcome of a proposal can be unknown:
// consensus.ErrOutcomeUnknown.
func (m *Manager) change(ctx context.Context, decide func(store.Snapshot) (specs.Transaction, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNoAnswer)
	defer cancel()
	for range changeAttempts {
		tx, err := decide(m.store.Snapshot())
		if err != nil || len(tx) == 0 {
			return err
		}
		refused, err := m.proposeOnce(ctx, tx)
		switch {
		case err != nil:
			return err
		case refused == nil:
			return nil
		case !errors.Is(refused, store.ErrConflict):
			return refused
		}
	}
	return fmt.Errorf("the cluster changed meanwhile, %d times: try again", changeAttempts)
}

// alter is change for a person.
func (m *Manager) alter(ctx context.Context, decide func(store.Snapshot) (specs.Transaction, error)) error {
	return inWords(m.change(ctx, decide))
}

// Propose writes one transaction for a person, who does not wait longer than patience.
func (m *Manager) Propose(ctx context.Context, tx specs.Transaction) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNoAnswer)
	defer cancel()
	refused, err := m.proposeOnce(ctx, tx)
	if err == nil {
		return refused
	}
	return inWords(err)
}

// proposeOnce writes one transaction, and tells the call of a person that it is for
// whether that has begun. The first error is why the transaction was refused.
func (m *Manager) proposeOnce(ctx context.Context, tx specs.Transaction) (refused, err error) {
	errs, err := m.raft.Propose(ctx, []specs.Transaction{tx})
	switch {
	case errors.Is(err, consensus.ErrNotLeader):
		api.Refused(ctx)
	case err != nil || errs[0] == nil:
		api.Begun(ctx)
	}
	if err != nil {
		return nil, err
	}
	return errs[0], nil
}

// inWords says what an error of a proposal means to a person. That the outcome is not
// known goes before why: the time was over, or a token.
func inWords(err error) error {
	switch {
	case errors.Is(err, consensus.ErrOutcomeUnknown):
		return wire.Errorf(wire.OutcomeUnknown, "outcome not known, and the change may be made yet: see \"swarmgit status\"; asking again is safe: %w", err)
	case err == nil || wire.KindOf(err) != wire.Internal:
		return err
	case errors.Is(err, consensus.ErrNotLeader):
		return wire.Errorf(wire.NotLeader, "no manager leads right now: nothing was changed: try again in a moment")
	}
	return wire.Errorf(wire.Unavailable, "nothing was changed: %w", err)
}
