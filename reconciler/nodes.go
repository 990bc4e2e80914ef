package reconciler

import (
	"context"
	"errors"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Managers are the managers that vote, and whether each is reached: by the
// leader, or by this one alone while it does not lead.
func (m *Manager) Managers() map[string]bool {
	reached := map[string]bool{}
	for _, member := range m.members() {
		if member.Voter {
			reached[member.ID] = member.ID == m.cfg.NodeID || m.raft.Reachable(member.ID)
		}
	}
	return reached
}

// Held says why the tasks of lost nodes are not replaced yet: nothing holds them.
func (m *Manager) Held() string {
	outage, lasts := converge.FindOutage(m.store.Snapshot(), m.raft.Now())
	if !lasts {
		return ""
	}
	return outage.String()
}

// Rotation says which nodes hold up a rotation of the root certificate.
func (m *Manager) Rotation() string {
	if p := m.authority.Progress(); p.Rotating && p.Held {
		return p.String()
	}
	return ""
}

// Watch is the newest state, and a channel that closes once there is a newer.
func (m *Manager) Watch() (store.Snapshot, <-chan struct{}) { return m.store.Watch() }

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

// inWords says what an error of a proposal means to a person.
func inWords(err error) error {
	switch {
	case err == nil || wire.KindOf(err) != wire.Internal:
		return err
	case errors.Is(err, consensus.ErrOutcomeUnknown):
		return wire.Errorf(wire.OutcomeUnknown, "outcome not known, and the change may be made yet: see \"swarmgit status\"; asking again is safe: %w", err)
	case errors.Is(err, consensus.ErrNotLeader):
		return wire.Errorf(wire.NotLeader, "no manager leads right now: nothing was changed: try again in a moment")
	}
	return wire.Errorf(wire.Unavailable, "nothing was changed: %w", err)
}

// left answers a worker that leaves the cluster: it is forgotten at once.
func (m *Manager) left(ctx context.Context, _ wire.LeaveRequest) (wire.LeaveReply, error) {
	peer, known := wire.Peer(ctx)
	if !known {
		return wire.LeaveReply{}, wire.Errorf(wire.Unauthenticated, "a node leaves with its certificate")
	}
	if !m.leading.Load() {
		return wire.LeaveReply{}, wire.Errorf(wire.NotLeader, "this manager does not lead the cluster")
	}
	for {
		node, known := m.store.Snapshot().Node(peer.NodeID)
		switch _, votes := m.Managers()[peer.NodeID]; {
		case !known:
			return wire.LeaveReply{}, wire.Errorf(wire.NotFound, "node %s was removed from the cluster", peer.NodeID)
		case votes || node.Spec.Role == specs.Manager:
			return wire.LeaveReply{}, wire.Errorf(wire.InvalidArgument, "node %s is a manager: demote it first", peer.NodeID)
		}
		err := m.Forget(ctx, node)
		if err == nil {
			m.log.InfoContext(ctx, "node left the cluster", "node", peer.NodeID)
		}
		if !errors.Is(err, store.ErrConflict) {
			return wire.LeaveReply{}, err
		}
	}
}

// Forget removes a node as it was at its SpecVersion, and refuses it from now on.
func (m *Manager) Forget(ctx context.Context, node specs.Node) error {
	return m.Propose(ctx, ca.Removal(m.store.Snapshot().Authority(), m.raft.Now(), node))
}
