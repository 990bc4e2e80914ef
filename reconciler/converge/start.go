package converge

import (
	"cmp"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

const (
	// taskTimeout is how long a slot's new task waits for the old one to stop,
	// unless the old one was promised more.
	taskTimeout = time.Minute
	// graceMargin is what a node may need beyond the grace period of a task, and
	// clockMargin the part of it by which the cluster's clock may be ahead by then.
	graceMargin = 10 * time.Second
	clockMargin = 10
)

// start lets tasks run that have waited long enough. One on a node that is lost
// waits until that is back: what ran there before it may be running still.
func (w *work) start() {
	for _, s := range w.slots {
		r := s.wanted()
		if r == nil || r.Want.Desired != specs.StateReady || r.Want.Node != "" && w.node(r.Want.Node).lost() {
			continue
		}
		at := r.Want.StartAt
		for _, other := range s.rows {
			if until := w.holdsUntil(other); other != r && until.After(at) {
				at = until
			}
		}
		if at.After(w.now) {
			w.wakeAt(at)
			continue
		}
		want := r.change()
		want.Desired, want.StartAt, want.After, want.Since = specs.StateRunning, time.Time{}, "", w.now
	}
}

// holdsUntil is how long a task that was told to stop keeps its successor
// waiting; it is zero when its process cannot be running.
func (w *work) holdsUntil(r *row) time.Time {
	if r.Ended() || w.node(r.Want.Node).lost() {
		return time.Time{}
	}
	spec, _ := w.draft.TaskSpec(r.Spec)
	grace := spec.StopGrace.Or(specs.DefaultStopGrace)
	return latest(r.Want.Since, w.knows(r.Want.Node)).Add(max(taskTimeout, grace+grace/clockMargin+graceMargin))
}

// knows is since when the node knows what this leader wants of it: not before now
// if it has not come yet, and not before it was back if it was lost.
func (w *work) knows(nodeID string) time.Time {
	back := w.node(nodeID).Seen.Since
	if w.heard == nil {
		return back
	}
	return latest(back, cmp.Or(w.heard(nodeID), w.now))
}
