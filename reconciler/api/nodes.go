package api

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// updateNode writes what is wanted of a node. It looks again when somebody else
// wrote first, so that of two who add labels neither loses one.
func (s *Server) updateNode(ctx context.Context, req UpdateNodeRequest) (UpdateNodeReply, error) {
	for {
		snap := s.Cluster.Snapshot()
		node, err := findNode(snap, req.Name, s.self(ctx))
		if err != nil {
			return UpdateNodeReply{}, err
		}
		spec, err := patched(node, req)
		if err != nil {
			return UpdateNodeReply{}, err
		}
		if sameSpec(spec, node.Spec) {
			return UpdateNodeReply{Node: s.nodeView(ctx, snap, node)}, nil
		}
		tx := specs.Transaction{{NodeSpec: specs.Set(node.ID, node.SpecVersion, spec)}}
		if node.Spec.Role == specs.Manager && spec.Role != specs.Manager {
			if err := mayDemote(snap, s.Nodes.Managers(), node); err != nil {
				return UpdateNodeReply{}, err
			}
			tx = append(tx, remaining(snap, node)...)
		}
		err = s.Nodes.Propose(ctx, tx)
		switch {
		case err == nil:
			snap = s.Cluster.Snapshot()
			node, _ = snap.Node(node.ID)
			return UpdateNodeReply{Node: s.nodeView(ctx, snap, node), Changed: true}, nil
		case !errors.Is(err, store.ErrConflict):
			return UpdateNodeReply{}, fmt.Errorf("update node %s: %w", node.Name(), err)
		}
	}
}

// patched is what is wanted of the node after the request.
func patched(node specs.Node, req UpdateNodeRequest) (specs.NodeSpec, error) {
	spec := node.Spec
	switch req.Role {
	case "":
	case specs.Manager, specs.Worker:
		spec.Role = req.Role
	default:
		return spec, wire.Errorf(wire.InvalidArgument, "role %s: a node is a manager or a worker", req.Role)
	}
	switch req.Availability {
	case "":
	case specs.Active, specs.Pause, specs.Drain:
		spec.Availability = req.Availability
	default:
		return spec, wire.Errorf(wire.InvalidArgument, "availability %s: use active, pause or drain", req.Availability)
	}
	spec.Labels = maps.Clone(spec.Labels)
	for key, value := range req.LabelAdd {
		if key == "" {
			return spec, wire.Errorf(wire.InvalidArgument, "a label needs a name: write it as key=value")
		}
		if spec.Labels == nil {
			spec.Labels = make(map[string]string)
		}
		spec.Labels[key] = value
	}
	for _, key := range req.LabelRemove {
		if _, has := spec.Labels[key]; !has {
			return spec, wire.Errorf(wire.NotFound, "node %s has no label %s (see: swarmgit node inspect %s)", node.Name(), key, node.Name())
		}
		delete(spec.Labels, key)
	}
	return spec, nil
}

func sameSpec(a, b specs.NodeSpec) bool {
	return a.Role == b.Role && a.Availability == b.Availability && maps.Equal(a.Labels, b.Labels)
}

// removeNode forgets a node that is down, or any worker by force.
func (s *Server) removeNode(ctx context.Context, req RemoveNodeRequest) (Empty, error) {
	for {
		snap := s.Cluster.Snapshot()
		node, err := findNode(snap, req.Name, s.self(ctx))
		if err != nil {
			return Empty{}, err
		}
		_, votes := s.Nodes.Managers()[node.ID]
		if err := mayRemove(node, votes, s.nodeStatus(node), req.Force); err != nil {
			return Empty{}, err
		}
		err = s.Nodes.Forget(ctx, node)
		switch {
		case err == nil:
			return Empty{}, nil
		case !errors.Is(err, store.ErrConflict):
			return Empty{}, fmt.Errorf("remove node %s: %w", node.Name(), err)
		}
	}
}

// mayRemove says why the node has to stay, or nothing. A manager never goes by
// force: the others would wait for its vote.
func mayRemove(node specs.Node, votes bool, status specs.NodeStatus, force bool) error {
	name := node.Name()
	switch {
	case node.Spec.Role == specs.Manager:
		return wire.Errorf(wire.InvalidArgument, "node %s is a manager: demote it first (swarmgit node demote %s)", name, name)
	case votes:
		return wire.Errorf(wire.Unavailable, "node %s is still leaving the managers: ask again in a moment", name)
	case force || status == specs.NodeDown:
		return nil
	case status == specs.NodeReady:
		return wire.Errorf(wire.InvalidArgument, "node %s is up: stop its daemon first, or --force", name)
	}
	return wire.Errorf(wire.InvalidArgument, "node %s may be up, the leader has not heard of it yet: ask again in a minute, or --force", name)
}
