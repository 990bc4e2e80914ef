package dispatcher

import (
	"context"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// content gives a node a secret or a config that one of its tasks needs.
func (d *Dispatcher) content(ctx context.Context, req wire.ContentRequest) (wire.ContentReply, error) {
	t, s, err := d.opened(ctx, req.SessionID)
	if err != nil {
		return wire.ContentReply{}, err
	}
	snapshot := t.Store.Snapshot()
	if !needs(snapshot, s.nodeID, req) {
		return wire.ContentReply{}, wire.Errorf(wire.PermissionDenied,
			"no task %s on node %s is to run that needs version %s of a secret or config", req.TaskID, s.nodeID, req.Version.Short())
	}
	payload, _ := snapshot.Payload(req.Version) // there as long as a task names it
	content, err := t.Content(payload)
	if err != nil {
		return wire.ContentReply{}, err
	}
	return wire.ContentReply{Content: content}, nil
}

// needs reports whether the task is to run on the node and refers to the version.
func needs(s store.Snapshot, nodeID string, req wire.ContentRequest) bool {
	task, ok := toRun(s, nodeID, req.TaskID)
	return ok && refersTo(s, task.Spec, req.Version)
}

// toRun is the task if it is to run on the node, to its own end or until it is
// stopped.
func toRun(s store.Snapshot, nodeID, taskID string) (specs.Task, bool) {
	task, exists := s.Task(taskID)
	return task, exists && task.Want.Node == nodeID && task.Want.Desired < specs.StateShutdown && !task.Ended()
}

func refersTo(s store.Snapshot, task, version specs.Hash) bool {
	spec, _ := s.TaskSpec(task)
	for _, ref := range spec.FileRefs {
		if ref.Version == version {
			return true
		}
	}
	return false
}
