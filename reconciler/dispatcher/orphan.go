package dispatcher

import (
	"cmp"
	"context"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

const (
	// orphanPeriod is how often nodes that are down are looked at.
	orphanPeriod = time.Minute
	// orphanPatience is how long a leader waits itself for the nodes that it finds
	// down: how long they have been, it knows by the wall clock only.
	orphanPatience = time.Hour
)

// orphan gives up the tasks of nodes that have been gone for too long, or that
// are not part of the cluster any more: what they hold is free again.
func (t *term) orphan(ctx context.Context) error {
	for {
		if lost := orphans(t.Store.Snapshot(), t.began, t.Now()); len(lost) > 0 {
			t.Log.WarnContext(ctx, "giving up tasks of nodes that are gone", "tasks", len(lost))
			if err := t.commit(ctx, lost); err != nil {
				t.Log.WarnContext(ctx, "cannot give up tasks; trying again", "error", err)
			}
		}
		pause := time.NewTimer(orphanPeriod)
		select {
		case <-t.nodeGone:
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// orphans returns the tasks to give up and what to write of them.
func orphans(s store.Snapshot, began, now time.Time) map[string]specs.TaskSeen {
	lost := map[string]specs.TaskSeen{}
	orphanAfter := cmp.Or(time.Duration(s.Cluster().Spec.OrphanAfter), specs.DefaultOrphanAfter)
	waited := now.Sub(began) >= min(orphanAfter, orphanPatience)
	for task := range s.Tasks() {
		if task.Want.Node == "" || task.Seen.State.Final() {
			continue
		}
		node, exists := s.Node(task.Want.Node)
		why := "its node was removed from the cluster"
		if exists {
			if node.Seen.Status != specs.NodeDown || !waited || now.Sub(node.Seen.Since) < orphanAfter {
				continue
			}
			why = "its node has been down since " + node.Seen.Since.UTC().Format(time.RFC3339)
		}
		seen := task.Seen
		seen.State, seen.Since, seen.PID, seen.Message, seen.Err = specs.StateOrphaned, now, 0, "", "task: "+why
		lost[task.ID] = seen
	}
	return lost
}
