// Package rollout says which slots of a service are next to get a task of the
// new spec, and when a rollout is over: completed, or paused because new tasks
// fail or nothing gets further. It is pure, and converge asks it in each pass.
//
// The first tasks of a service are a rollout too, so that a service whose image
// does not exist ends as paused like any other; only the pace differs, because
// empty slots are filled at once.
//
// # Who decides about a slot
//
// Rollout alone changes the spec of a slot. A dead task's slot is filled again
// by package restart with the spec that it had, also under a rollout and when
// the rollout is paused: rollout only counts the slot as failed, once, and stops
// replacing others. A slot that runs an old spec and is dead is replaced like
// any other when its turn comes; the turn of slots that do not run comes first.
//
// # What it remembers
//
// The service's [specs.Rollout] row and the slots' tasks, nothing else. A task
// belongs to the rollout if it has the target spec and was made since it began.
//
// Not built yet: start-first and rollback, which is treated as pause.
package rollout

import (
	"bytes"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// Patience is how long a rollout may stand still before it is paused. That a task
// has the time to stop that it was promised is no standstill.
const Patience = 10 * time.Minute

// Slot is one wanted slot of the service as a rollout sees it.
type Slot struct {
	ID      specs.SlotID
	Current *specs.Task   // its newest task, alive or dead
	Running bool          // it is wanted and runs for all that anybody knows
	Tasks   []*specs.Task // all of them that the cluster remembers, oldest first
	FreeAt  time.Time     // when its tasks that were told to stop have had their time; zero if none has any
}

// Decision is what a rollout does next.
type Decision struct {
	Rollout specs.Rollout  // what to remember from now on
	Replace []specs.SlotID // the slots to give a task of the target, in order
	Wake    time.Time      // when to ask again if nothing happens; zero is never
}

// Begin returns the service's rollout, begun anew if the service's spec asks
// for that: it has another task, or a paused rollout got other rules.
func Begin(svc specs.Service, now time.Time) specs.Rollout {
	r := svc.Rollout
	resumes := r.State == specs.RolloutPaused && !sameRules(r.Under, svc.Spec)
	if r.Target == svc.Spec.Task && !resumes {
		return r
	}
	return begin(r, svc.Spec.Task, now)
}

// Again begins a completed rollout once more, for slots that could not take part
// in it: a global service's on a node that was paused.
func Again(r specs.Rollout, now time.Time) specs.Rollout { return begin(r, r.Target, now) }

func begin(last specs.Rollout, target specs.Hash, now time.Time) specs.Rollout {
	return specs.Rollout{
		State:     specs.RolloutUpdating,
		Target:    target,
		Completed: last.Completed,
		Started:   now,
		Progress:  now,
	}
}

// SpecOfNewSlot is the task spec that a slot starts with: what was proven last
// while the rollout is paused, else the target.
func SpecOfNewSlot(r specs.Rollout) specs.Hash {
	if r.State == specs.RolloutPaused && r.Completed != "" {
		return r.Completed
	}
	return r.Target
}

// Next decides the next step of the service's rollout, which Begin returned. A
// paused one takes none, but is over once nothing is left of why it paused: every
// slot runs a proven task of the target, because room was found, an image came,
// or what failed is not wanted any more.
// Slots are all slots that the service shall have, without those whose node can
// get no task of a global service now. Its patience counts from began at the
// earliest: nothing gets further before somebody leads.
func Next(svc specs.Service, slots []Slot, began, now time.Time) Decision {
	r := svc.Rollout
	if r.State != specs.RolloutUpdating && r.State != specs.RolloutPaused {
		return Decision{Rollout: r}
	}
	v := look(svc, slots, began, now)
	switch {
	case r.State == specs.RolloutPaused && v.recovered():
		return Decision{Rollout: complete(r, now)}
	case r.State == specs.RolloutPaused:
		return Decision{Rollout: r, Wake: v.unprovenUntil}
	case v.tooManyFailed():
		return Decision{Rollout: pause(svc, v.failed[0], now)}
	case v.finished():
		return Decision{Rollout: complete(r, now)}
	case !now.Before(v.progress.Add(Patience)):
		return Decision{Rollout: pause(svc, v.stalled(), now)}
	}
	v.wakeAt(v.watchedUntil)
	replace := v.next()
	if len(replace) > 0 {
		r.Progress = now
		v.wakeAt(now.Add(Patience))
	} else {
		v.wakeAt(v.progress.Add(Patience))
	}
	return Decision{Rollout: r, Replace: replace, Wake: v.wake}
}

func complete(r specs.Rollout, now time.Time) specs.Rollout {
	r.State, r.Completed, r.Ended, r.Message, r.Under = specs.RolloutCompleted, r.Target, now, "", nil
	return r
}

func pause(svc specs.Service, cause string, now time.Time) specs.Rollout {
	r := svc.Rollout
	r.State, r.Ended, r.Message, r.Under = specs.RolloutPaused, now, cause, &svc.Spec
	return r
}

// sameRules reports that two specs differ in nothing that could let a paused
// rollout succeed: size and labels may differ.
func sameRules(paused *specs.ServiceSpec, spec specs.ServiceSpec) bool {
	if paused == nil {
		return false
	}
	spec.Replicas, spec.Labels = paused.Replicas, paused.Labels
	return bytes.Equal(encoded(*paused), encoded(spec))
}

func encoded(spec specs.ServiceSpec) []byte {
	data, err := encoding.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("encode the spec of service %s: %v", spec.Name, err)) // plain values always encode
	}
	return data
}

// parallelism is how many slots may be replaced at a time; 0 is all.
func parallelism(c specs.UpdateConfig) uint64 {
	if c.Parallelism == nil {
		return 1
	}
	return *c.Parallelism
}

func monitor(c specs.UpdateConfig) time.Duration { return c.Monitor.Or(specs.DefaultMonitor) }
