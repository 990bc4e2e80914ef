package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// view is what a rollout makes of the slots at one moment.
type view struct {
	svc specs.Service
	now time.Time

	slots    int       // all of them
	dirty    []*Slot   // still of another spec
	busy     []*Slot   // hold a place of parallelism: a new task comes up, or just came
	watched  []*Slot   // the new task is not proven yet
	unproven int       // slots of the target that do not run a proven task now
	made     int       // slots that got a task of this rollout
	failed   []string  // slots whose new task failed, each in words
	progress time.Time // when a slot last got further
	wake     time.Time // when the clock alone changes the view

	// When the last of the new tasks, or of the current ones, will be proven that
	// run. Each before that changes nothing.
	watchedUntil, unprovenUntil time.Time
}

func look(svc specs.Service, slots []Slot, began, now time.Time) *view {
	v := &view{svc: svc, now: now, slots: len(slots), progress: latest(svc.Rollout.Progress, began)}
	for i := range slots {
		slot := &slots[i]
		if slot.Current.Spec != svc.Rollout.Target {
			v.dirty = append(v.dirty, slot)
			continue
		}
		v.lookAtNew(slot)
		v.lookAtCurrent(slot)
	}
	return v
}

// lookAtNew judges a slot of the target spec. One whose task is older than the
// rollout has nothing to prove.
func (v *view) lookAtNew(slot *Slot) {
	var up time.Time // when the task ran that proves the slot, else the newest one
	made, failed, proven := false, false, false
	for _, t := range slot.Tasks {
		if t.Spec != v.svc.Rollout.Target || t.Created.Before(v.svc.Rollout.Started) {
			continue
		}
		made = true
		if Failed(t, v.svc.Spec) && !failed {
			failed = true
			v.failed = append(v.failed, Describe(t))
		}
		if !proven {
			up, proven = t.Seen.Running, Proven(t, v.svc.Spec, v.now)
		}
	}
	if !made {
		return
	}
	v.made++
	if failed {
		return
	}
	if !proven {
		v.watched = append(v.watched, slot)
		v.progress = latest(v.progress, slot.FreeAt)
	}
	v.pace(slot, up, proven)
}

// pace says whether the slot still holds one of the places of parallelism:
// until its new task runs, and for the delay after that. A slot that was added
// holds one too, so that a bad spec shows there before it costs a running task;
// but not while there is no node for it, because nothing was taken down for that.
func (v *view) pace(slot *Slot, up time.Time, proven bool) {
	update := v.svc.Spec.Update
	if up.IsZero() {
		if !proven && (slot.Current.Want.Node != "" || v.tookDown(slot)) {
			v.busy = append(v.busy, slot)
		}
		return
	}
	free := up.Add(time.Duration(update.Delay))
	if v.now.Before(free) {
		v.busy = append(v.busy, slot)
		v.wakeAt(free)
	}
	watchedUntil := up.Add(monitor(update))
	if !proven && v.now.Before(watchedUntil) { // else it was told to stop before
		v.watchedUntil = latest(v.watchedUntil, watchedUntil)
	}
	v.progress = latest(v.progress, free, watchedUntil)
}

// tookDown reports that the slot had a task before this rollout which did not end
// by itself.
func (v *view) tookDown(slot *Slot) bool {
	for _, t := range slices.Backward(slot.Tasks) {
		if t.Spec != v.svc.Rollout.Target || t.Created.Before(v.svc.Rollout.Started) {
			return !t.Seen.State.Final() || askedToStop(t)
		}
	}
	return false
}

func (v *view) tooManyFailed() bool {
	if v.svc.Spec.Update.FailureAction == specs.FailureContinue {
		return false
	}
	allowed := int64(v.svc.Spec.Update.MaxFailureRatio) * int64(v.made+len(v.dirty))
	return int64(len(v.failed))*int64(specs.RatioOne) > allowed
}

func (v *view) finished() bool { return len(v.dirty)+len(v.busy)+len(v.watched) == 0 }

// recovered reports that every slot of a paused rollout runs what it should,
// whatever failed there before. An empty service proves nothing.
func (v *view) recovered() bool { return v.slots > 0 && len(v.dirty)+v.unproven == 0 }

// lookAtCurrent counts a slot of the target spec that does not run a proven task.
func (v *view) lookAtCurrent(slot *Slot) {
	if t := slot.Current; !Done(t, v.svc.Spec) && (runs(slot) == 0 || !Proven(t, v.svc.Spec, v.now)) {
		v.unproven++
		if runs(slot) == 1 {
			v.unprovenUntil = latest(v.unprovenUntil, ProvenAt(t, v.svc.Spec))
		}
	}
}

// next picks the dirty slots for the places that are free: first those that do
// not run, because they have nothing to lose, then by number or node.
func (v *view) next() []specs.SlotID {
	free := len(v.dirty)
	if p := parallelism(v.svc.Spec.Update); p > 0 {
		free = int(min(uint64(free), p-min(p, uint64(len(v.busy)))))
	}
	slices.SortFunc(v.dirty, func(a, b *Slot) int {
		return cmp.Or(cmp.Compare(runs(a), runs(b)), a.ID.Compare(b.ID))
	})
	replace := make([]specs.SlotID, 0, free)
	for _, slot := range v.dirty[:free] {
		replace = append(replace, slot.ID)
	}
	return replace
}

func (v *view) stalled() string {
	cause := ""
	for _, slot := range slices.Concat(v.watched, v.busy, v.dirty)[:1] {
		cause = Describe(slot.Current)
	}
	return fmt.Sprintf("no progress for %d minutes: %s", Patience/time.Minute, cause)
}

func (v *view) wakeAt(at time.Time) {
	if !at.IsZero() && (v.wake.IsZero() || at.Before(v.wake)) {
		v.wake = at
	}
}

// Describe says how a task stands and why, in words: "shop_web.2 rejected:
// registry.example/web:1.4.0: no such image".
func Describe(t *specs.Task) string {
	text := t.Name() + " " + t.State().String()
	switch {
	case t.Seen.Err != "":
		text += ": " + t.Seen.Err
	case t.Seen.Exit != nil:
		text += fmt.Sprintf(": exit code %d", t.Seen.Exit.Code)
	case t.Want.Node == "" && t.Want.Reason != "":
		text += ": " + t.Want.Reason
	case t.Seen.Message != "":
		text += ": " + t.Seen.Message
	}
	return text
}

// askedToStop tells a task that was told to stop, which always has a reason,
// from one that ended by itself.
func askedToStop(t *specs.Task) bool { return !t.Wanted() && t.Want.Reason != "" }

func runs(s *Slot) int {
	if s.Running {
		return 1
	}
	return 0
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}
