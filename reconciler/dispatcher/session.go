package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// session answers one node for as long as it stays connected.
func (d *Dispatcher) session(ctx context.Context, req wire.SessionRequest, send func(wire.SessionMessage) error) error {
	peer, known := wire.Peer(ctx)
	if !known {
		return wire.Errorf(wire.Unauthenticated, "a session is opened by a node with a certificate of the cluster")
	}
	t, err := d.current()
	if err != nil {
		return d.redirect(ctx, send)
	}
	s, err := t.open(peer.NodeID, req.Trouble)
	if err != nil {
		return err
	}
	defer t.close(s)
	if err := t.writeReady(ctx, s, req.Description); err != nil {
		return err
	}
	t.Log.InfoContext(ctx, "node connected", "node", s.nodeID)
	return t.tell(ctx, s, send)
}

// leaderPatience is how long a node is kept waiting for a leader to be elected:
// longer than that takes. Another manager may know one when this one does not.
const leaderPatience = 2 * time.Second

// redirect answers a node that came to a manager which does not lead. While
// nobody leads it waits a little for who will: the node goes there at once.
func (d *Dispatcher) redirect(ctx context.Context, send func(wire.SessionMessage) error) error {
	patience := time.NewTimer(leaderPatience)
	defer patience.Stop()
	managers, changed := d.Managers()
	for waiting := true; waiting && leaderOf(managers) == ""; managers, changed = d.Managers() {
		select {
		case <-changed:
		case <-patience.C:
			waiting = false
		case <-ctx.Done():
			return nil
		}
	}
	if err := send(wire.SessionMessage{Managers: managers}); err != nil {
		return err
	}
	return notLeader(managers)
}

// tell sends a node what it has to know of the cluster and of itself, now and
// whenever that changes, until the session or ctx ends.
func (t *term) tell(ctx context.Context, s *session, send func(wire.SessionMessage) error) error {
	var told wire.SessionMessage
	for first := true; ; first = false {
		message, managers, renew := t.message(s)
		if first {
			t.welcome(s, time.Duration(message.Heartbeat))
		}
		if !reflect.DeepEqual(message, told) {
			if err := send(message); err != nil {
				return err
			}
			told = message
		}
		select {
		case <-s.look:
		case <-managers:
		case <-renew:
		case <-s.gone:
			return s.why
		case <-ctx.Done():
			t.Log.InfoContext(ctx, "node disconnected", "node", s.nodeID)
			return nil
		}
	}
}

// message is what the node of a session has to know now, with the channels that
// close when it may be something else.
func (t *term) message(s *session) (m wire.SessionMessage, managers, renew <-chan struct{}) {
	m = wire.SessionMessage{SessionID: s.id, Heartbeat: specs.Duration(t.heartbeat())}
	m.Managers, managers = t.Managers()
	m.Renew, renew = t.Renew(s.nodeID)
	node, _ := t.Store.Snapshot().Node(s.nodeID) // a node that is gone has no session for long
	m.Role = node.Spec.Role
	if slices.ContainsFunc(m.Managers, func(other wire.Manager) bool { return other.NodeID == s.nodeID }) {
		m.Role = specs.Manager // until the others can do without its vote
	}
	return m, managers, renew
}

// heartbeat gives the node another grace.
func (d *Dispatcher) heartbeat(ctx context.Context, req wire.HeartbeatRequest) (wire.HeartbeatReply, error) {
	t, s, err := d.opened(ctx, req.SessionID)
	if err != nil {
		return wire.HeartbeatReply{}, err
	}
	period := t.heartbeat()
	t.mu.Lock()
	t.hear(s.nodeID, time.Now(), period)
	s.trouble = req.Trouble
	t.mu.Unlock()
	return wire.HeartbeatReply{Period: specs.Duration(period)}, nil
}

// writeReady writes down that the node is here and what it is.
func (t *term) writeReady(ctx context.Context, s *session, description specs.NodeDescription) error {
	for {
		node, known := t.Store.Snapshot().Node(s.nodeID)
		if !known {
			return wire.Errorf(wire.NotFound, "node %s was removed from the cluster", s.nodeID)
		}
		seen := node.Seen
		if seen.Status != specs.NodeReady {
			seen.Status, seen.Since = specs.NodeReady, t.Now()
		}
		seen.Description = description
		introduce(ctx, &seen)
		if reflect.DeepEqual(seen, node.Seen) {
			return nil
		}
		err := t.writeNode(ctx, node, seen)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// introduce takes over what the connection says of the node. One within the
// process says nothing.
func introduce(ctx context.Context, seen *specs.NodeSeen) {
	if from, err := netip.ParseAddrPort(wire.CallerAddr(ctx)); err == nil {
		seen.Addr = from.Addr().Unmap().WithZone("").String()
	}
	now, was := wire.PeerCertificate(ctx), seen.Certificate
	if now.Issuer != "" && (now.Role != was.Role || now.Issuer != was.Issuer || !now.NotAfter.Equal(was.NotAfter)) {
		seen.Certificate = now
	}
}

func (t *term) writeNode(ctx context.Context, node specs.Node, seen specs.NodeSeen) error {
	errs, err := t.Propose.Propose(ctx, []specs.Transaction{nodeSeen(node, seen)})
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		return fmt.Errorf("write that node %s is %s: %w", node.ID, seen.Status, err)
	}
	return nil
}

func nodeSeen(node specs.Node, seen specs.NodeSeen) specs.Transaction {
	return specs.Transaction{{NodeSeen: specs.Set(node.ID, node.SeenVersion, seen)}}
}
