package rollout

import (
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Proven reports that the task ran for the monitor time before it ended or was
// told to stop, or did its work. What becomes of it later is no matter of the
// rollout.
func Proven(t *specs.Task, spec specs.ServiceSpec, now time.Time) bool {
	if Done(t, spec) {
		return true
	}
	if t.Seen.Running.IsZero() {
		return false
	}
	if t.Seen.State.Final() {
		now = t.Seen.Since
	}
	if askedToStop(t) && t.Want.Since.Before(now) {
		now = t.Want.Since
	}
	return !now.Before(ProvenAt(t, spec))
}

// ProvenAt is when a task that runs will be proven.
func ProvenAt(t *specs.Task, spec specs.ServiceSpec) time.Time {
	return t.Seen.Running.Add(monitor(spec.Update))
}

// Done reports that the task ended as a service whose tasks end means it: with
// success, under a restart policy that lets it rest.
func Done(t *specs.Task, spec specs.ServiceSpec) bool {
	rests := spec.Restart.Condition == specs.RestartOnFailure || spec.Restart.Condition == specs.RestartNone
	return rests && t.Seen.State == specs.StateComplete
}

// Failed reports that the task ended by itself before it was proven.
func Failed(t *specs.Task, spec specs.ServiceSpec) bool {
	if !t.Seen.State.Final() || t.Seen.State == specs.StateOrphaned || askedToStop(t) || Done(t, spec) {
		return false
	}
	return t.Seen.Running.IsZero() || t.Seen.Since.Sub(t.Seen.Running) <= monitor(spec.Update)
}
