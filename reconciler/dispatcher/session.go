package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"reflect"
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
		return err
	}
	s, err := t.open(peer.NodeID)
	if err != nil {
		return err
	}
	defer t.close(s)
	if err := t.writeReady(ctx, s, req.Description); err != nil {
		return err
	}
	t.Log.InfoContext(ctx, "node connected", "node", s.nodeID)
	if err := send(wire.SessionMessage{SessionID: s.id, Heartbeat: specs.Duration(t.Heartbeat)}); err != nil {
		return err
	}
	select {
	case <-s.gone:
		return s.why
	case <-ctx.Done():
		t.Log.InfoContext(ctx, "node disconnected", "node", s.nodeID)
		return nil
	}
}

// heartbeat gives the node another grace.
func (d *Dispatcher) heartbeat(ctx context.Context, req wire.HeartbeatRequest) (wire.HeartbeatReply, error) {
	t, s, err := d.opened(ctx, req.SessionID)
	if err != nil {
		return wire.HeartbeatReply{}, err
	}
	t.mu.Lock()
	t.hear(s.nodeID, time.Now())
	t.mu.Unlock()
	return wire.HeartbeatReply{Period: specs.Duration(t.Heartbeat)}, nil
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
		if reflect.DeepEqual(seen, node.Seen) {
			return nil
		}
		err := t.writeNode(ctx, node, seen)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
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
