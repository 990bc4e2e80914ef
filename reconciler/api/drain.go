package api

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// drainPeriod is the shortest time between two looks at a node that is drained:
// a person reads no faster, and a busy cluster changes all the time.
const drainPeriod = 100 * time.Millisecond

// watchDrain tells how a drained node becomes empty, and ends when it is.
func (s *Server) watchDrain(ctx context.Context, req ByName, send func(DrainReply) error) error {
	if err := s.Cluster.Ready(ctx); err != nil {
		return err
	}
	node, err := findNode(s.Cluster.Snapshot(), req.Name, s.self(ctx))
	if err != nil {
		return err
	}
	watched := drain{node: node, tasks: make(map[string]specs.Task)}
	var last DrainReply
	for {
		snap, changed := s.Nodes.Watch()
		reply, err := watched.look(snap)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(reply, last) {
			if err := send(reply); err != nil {
				return err
			}
		}
		if last = reply; reply.Empty {
			return nil
		}
		if err := lookAgain(ctx, changed); err != nil {
			return err
		}
	}
}

// lookAgain waits for a newer state, and at least for drainPeriod.
func lookAgain(ctx context.Context, changed <-chan struct{}) error {
	pause := time.NewTimer(drainPeriod)
	defer pause.Stop()
	select {
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-pause.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// drain is a node on its way to become empty, and every task that was seen on
// it.
type drain struct {
	node  specs.Node
	tasks map[string]specs.Task
}

// look says how far the node is. It fails when nothing drains it any more.
func (d *drain) look(snap store.Snapshot) (DrainReply, error) {
	node, known := snap.Node(d.node.ID)
	name := d.node.Name()
	switch {
	case !known:
		return DrainReply{}, wire.Errorf(wire.NotFound, "node %s was removed from the cluster", name)
	case node.Spec.Availability != specs.Drain:
		return DrainReply{}, wire.Errorf(wire.InvalidArgument, "node %s is not drained but %s: its tasks stay", name, cmp.Or(node.Spec.Availability, specs.Active))
	}
	reply := DrainReply{Node: name, Down: node.Seen.Status == specs.NodeDown}
	here := make(map[string]bool)
	for task := range snap.TasksOn(node.ID) {
		// What runs on a node that is down is not known: there, a task has gone once
		// it is not wanted any more.
		if task.Ended() || reply.Down && !task.Wanted() {
			continue
		}
		here[task.ID] = true
		d.tasks[task.ID] = task
		reply.Left = append(reply.Left, task.Name())
	}
	slices.Sort(reply.Left)
	reply.Total, reply.Empty = len(d.tasks), len(here) == 0
	for _, id := range slices.Sorted(maps.Keys(d.tasks)) {
		task := d.tasks[id]
		reply.Global = reply.Global || task.Slot == 0
		if trouble, waits := homeless(snap, task); waits && !here[id] {
			reply.Waiting = append(reply.Waiting, trouble)
		}
	}
	slices.SortFunc(reply.Waiting, func(a, b TaskTrouble) int { return cmp.Compare(a.Task, b.Task) })
	reply.Waiting = slices.Compact(reply.Waiting) // two of one slot have left: one comes back
	return reply, nil
}

// homeless is the task that is to run in the place of one that has left its node
// and has no other node yet.
func homeless(snap store.Snapshot, gone specs.Task) (TaskTrouble, bool) {
	svc, known := snap.Service(gone.ServiceID)
	if !known || svc.Removed || gone.Slot == 0 {
		return TaskTrouble{}, false
	}
	for task := range snap.TasksOf(svc.ID) {
		if task.Slot == gone.Slot && task.Wanted() && task.Want.Node == "" {
			return trouble(snap, svc, task, task.Want.Reason), true
		}
	}
	return TaskTrouble{}, false
}
