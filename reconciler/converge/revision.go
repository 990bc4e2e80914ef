package converge

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/rollout"
	"github.com/swarmgit/swarmgit/specs"
)

// judgeRevisions moves revisions: the newest of a source becomes healthy or
// paused by what its services do, older ones that roll out are superseded. A
// paused one that nothing followed becomes healthy once all is mended.
func (p *pass) judgeRevisions() {
	bySource := make(map[string][]specs.Revision)
	for rev := range p.draft.Revisions() {
		if rev.Progress.State != specs.RevisionRefused && rev.Progress.State != specs.RevisionAwaiting {
			bySource[rev.Source] = append(bySource[rev.Source], rev)
		}
	}
	p.result.Wakes[revisionsKey] = time.Time{}
	for _, source := range slices.Sorted(maps.Keys(bySource)) {
		p.judgeSource(bySource[source])
	}
}

// judgeSource gets the accepted revisions of a source, oldest first. What a
// superseded revision changed is for its successor to bring up.
func (p *pass) judgeSource(revisions []specs.Revision) {
	newest := len(revisions) - 1
	var stacks []string
	for i, rev := range revisions {
		stacks = append(stacks, rev.Changed...)
		switch state := rev.Progress.State; {
		case state == specs.RevisionRollingOut && i < newest:
			p.progress(rev, specs.RevisionSuperseded, "")
		case state == specs.RevisionRollingOut, state == specs.RevisionPaused && i == newest:
			slices.Sort(stacks)
			p.judge(rev, slices.Compact(stacks))
		case state != specs.RevisionSuperseded:
			stacks = nil
		}
	}
}

// judge decides about one revision by the services of the stacks, and by what
// stands still of the rest of its source.
func (p *pass) judge(rev specs.Revision, stacks []string) {
	verdict := standing{healthy: true, progress: rev.Progress.Since}
	for _, stack := range stacks {
		for svc := range p.draft.ServicesOf(stack) {
			verdict.add(p.standing(svc, rev.Created))
		}
	}
	for svc := range p.unfinished(rev.Source, stacks) {
		verdict.add(p.standing(svc, rev.Created))
	}
	stalledAt := latest(verdict.progress, p.began).Add(rollout.Patience)
	switch {
	case verdict.healthy:
		p.progress(rev, specs.RevisionHealthy, "")
	case rev.Progress.State == specs.RevisionPaused:
		p.wakeRevisions(verdict.wake)
	case verdict.paused != "":
		p.progress(rev, specs.RevisionPaused, verdict.paused)
	case verdict.updating: // the rollout itself has patience
	case verdict.stuck != "" && verdict.waitsFor == "":
		p.progress(rev, specs.RevisionPaused, verdict.stuck)
	case !p.now.Before(stalledAt):
		p.progress(rev, specs.RevisionPaused, fmt.Sprintf("no progress for %d minutes: %s",
			rollout.Patience/time.Minute, verdict.waitsFor))
	default:
		p.wakeRevisions(verdict.wake)
		p.wakeRevisions(stalledAt)
	}
}

// unfinished yields the services of a source, except of the stacks, whose rollout
// is under way or paused: an earlier revision's, which this one does not mend.
func (p *pass) unfinished(source string, except []string) iter.Seq[specs.Service] {
	return func(yield func(specs.Service) bool) {
		for stack := range p.stacks {
			if stack.Source != source || slices.Contains(except, stack.Name) {
				continue
			}
			for svc := range p.draft.ServicesOf(stack.Name) {
				state := svc.Rollout.State
				if (state == specs.RolloutUpdating || state == specs.RolloutPaused) && !yield(svc) {
					return
				}
			}
		}
	}
}

func (p *pass) wakeRevisions(at time.Time) {
	p.result.Wakes[revisionsKey] = earliest(p.result.Wakes[revisionsKey], at)
}

func (p *pass) progress(rev specs.Revision, state specs.RevisionState, reason string) {
	value := specs.RevisionProgress{State: state, Since: p.now, Reason: reason}
	p.decide("", specs.Transaction{{RevisionProgress: specs.Set(rev.ID, rev.ProgressVersion, value)}})
}

// standing is how far services are from what is wanted of them.
type standing struct {
	healthy  bool
	updating bool      // a rollout is under way
	paused   string    // why a rollout paused
	stuck    string    // which one paused before the revision came, and why
	waitsFor string    // what is under way, in words
	progress time.Time // when something last got further
	wake     time.Time // when the clock alone may make it healthy: once the last task is proven
}

func (s *standing) add(other standing) {
	s.healthy = s.healthy && other.healthy
	s.updating = s.updating || other.updating
	s.paused = cmp.Or(s.paused, other.paused)
	s.stuck = cmp.Or(s.stuck, other.stuck)
	s.waitsFor = cmp.Or(s.waitsFor, other.waitsFor)
	s.wake = latest(s.wake, other.wake)
	if other.progress.After(s.progress) {
		s.progress = other.progress
	}
}

// standing looks at a service for a revision that came at a time.
func (p *pass) standing(svc specs.Service, came time.Time) standing {
	stopping, stops := p.stopping(svc)
	switch paused := svc.Rollout.State == specs.RolloutPaused; {
	case !svc.Removed && (svc.Rollout.Target != svc.Spec.Task || svc.Rollout.State == specs.RolloutUpdating):
		return standing{updating: true, waitsFor: svc.Spec.Name + " is updating"}
	case paused && Wanted(p.draft.Snapshot, svc) > 0 && !svc.Rollout.Ended.Before(came) && !p.recovers(svc):
		return standing{paused: svc.Rollout.Message}
	case stops: // which may make room
		return standing{waitsFor: stopping.Name() + " is stopping", progress: p.holdsUntil(&stopping)}
	case svc.Removed, paused && Wanted(p.draft.Snapshot, svc) == 0:
		return standing{healthy: true}
	case paused && p.recovers(svc):
		return standing{waitsFor: svc.Spec.Name + " is coming up"}
	case paused:
		return standing{stuck: svc.Spec.Name + " stays paused: " + svc.Rollout.Message}
	}
	return p.standingOfTasks(svc)
}

// stopping finds a task that was told to stop and has not, but not of a node that
// says nothing.
func (p *pass) stopping(svc specs.Service) (specs.Task, bool) {
	for t := range p.draft.TasksOf(svc.ID) {
		if !t.Wanted() && !t.Ended() && !p.node(t.Want.Node).lost() {
			return t, true
		}
	}
	return specs.Task{}, false
}

// recovers reports that a paused service needs nothing but time: each slot has a
// task of its spec on a node, and none failed.
func (p *pass) recovers(svc specs.Service) bool {
	coming := uint64(0)
	for t := range p.draft.TasksOf(svc.ID) {
		switch {
		case t.Spec != svc.Spec.Task, p.absent(t):
		case t.Seen.State.Final() && t.Want.Reason == "":
			return false
		case t.Wanted() && t.Want.Node != "":
			coming++
		}
	}
	return coming > 0 && coming >= Wanted(p.draft.Snapshot, svc)
}

// standingOfTasks asks for a task in each slot that is proven and still runs.
func (p *pass) standingOfTasks(svc specs.Service) standing {
	s := standing{progress: svc.Rollout.Ended}
	healthy := make(map[specs.SlotID]bool)
	for t := range p.draft.TasksOf(svc.ID) {
		runs := t.Wanted() && t.Seen.State == specs.StateRunning
		provenAt := rollout.ProvenAt(&t, svc.Spec)
		switch {
		case p.absent(t):
		case runs && !p.now.Before(provenAt), t.Spec == svc.Spec.Task && rollout.Done(&t, svc.Spec):
			healthy[t.SlotID()] = true
		case runs:
			s.wake = latest(s.wake, provenAt)
			s.progress = latest(s.progress, provenAt)
			s.waitsFor = cmp.Or(s.waitsFor, rollout.Describe(&t))
		case t.Wanted():
			s.waitsFor = cmp.Or(s.waitsFor, rollout.Describe(&t))
		}
	}
	s.healthy = p.complete(svc, healthy)
	if !s.healthy && s.waitsFor == "" {
		s.waitsFor = svc.Spec.Name + " has fewer tasks than wanted"
	}
	return s
}

// complete reports that each slot that the service shall have is healthy.
func (p *pass) complete(svc specs.Service, healthy map[specs.SlotID]bool) bool {
	if svc.Spec.Mode != specs.Global {
		return uint64(len(healthy)) >= svc.Spec.WantedReplicas()
	}
	for id := range slotNodes(p.draft.Snapshot, svc) {
		if !healthy[specs.SlotID{Node: id}] {
			return false
		}
	}
	return true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
