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
		if at := latest(r.Want.StartAt, w.freeAt(s)); at.After(w.now) {
			w.wakeAt(at)
			continue
		}
		want := r.change()
		want.Desired, want.StartAt, want.After, want.Since = specs.StateRunning, time.Time{}, "", w.now
	}
}

// freeAt is when nobody waits any more for tasks of the slot that were told to
// stop; the zero time if nobody has to.
func (w *work) freeAt(s *slot) time.Time {
	var at time.Time
	for _, r := range s.rows {
		if !r.Wanted() {
			at = latest(at, w.holdsUntil(r.Task))
		}
	}
	return at
}

// holdsUntil is how long a task that was told to stop keeps others waiting; it is
// zero when its process cannot be running.
func (p *pass) holdsUntil(t *specs.Task) time.Time {
	if t.Ended() || p.node(t.Want.Node).lost() {
		return time.Time{}
	}
	spec, _ := p.draft.TaskSpec(t.Spec)
	grace := spec.StopGrace.Or(specs.DefaultStopGrace)
	return latest(t.Want.Since, p.knows(t.Want.Node)).Add(max(taskTimeout, grace+grace/clockMargin+graceMargin))
}

// knows is since when the node knows what this leader wants of it: not before now
// if it has not come yet, and not before it was back if it was lost.
func (p *pass) knows(nodeID string) time.Time {
	back := p.node(nodeID).Seen.Since
	if p.heard == nil {
		return back
	}
	return latest(back, cmp.Or(p.heard(nodeID), p.now))
}
