// Package restart says whether and when a dead task's slot is filled again. It
// is pure, and converge asks it once for each slot whose task has ended.
//
// Its only memory is the ended tasks that the store keeps for a slot, so the
// next leader decides the same. It refuses loops: however short the delay that
// was asked for, a slot that keeps dying waits.
package restart

import (
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// A slot is in a loop when its last loopEnds tasks ended within that many times
// loopDelay: then it waits for loopDelay at least. A task that cannot start
// would else be replaced as fast as the cluster can write.
const (
	loopEnds  = 3
	loopDelay = time.Second
)

// Exit is one end of a slot's task that nobody asked for.
type Exit struct {
	State specs.State // complete, failed or rejected
	At    time.Time   // when the managers noticed it
}

// Next says whether a slot whose task has ended gets a new one, and when that
// may start. Past holds the ends of the slot's tasks of the same spec, oldest
// first; the last one is the end to answer. The answer does not change with
// time, so it may be asked again.
func Next(p specs.RestartPolicy, past []Exit) (at time.Time, ok bool) {
	last := past[len(past)-1]
	if !covers(p.Condition, last.State) || exhausted(p, past) {
		return time.Time{}, false
	}
	return last.At.Add(delay(p, past)), true
}

// Attempts is how many ended tasks of a slot have to be remembered for the
// policy to be kept, and a loop to be seen.
func Attempts(p specs.RestartPolicy) int {
	ends := 0
	if p.MaxAttempts > 0 {
		ends = int(min(p.MaxAttempts, 1<<20)) + 1
	}
	if wanted(p) < loopDelay {
		ends = max(ends, loopEnds)
	}
	return ends
}

func covers(condition specs.RestartCondition, state specs.State) bool {
	switch condition {
	case specs.RestartNone:
		return false
	case specs.RestartOnFailure:
		return state != specs.StateComplete
	}
	return true
}

// exhausted reports that the restarts before the last end used all attempts.
// Each end but the last was a restart, at the time of that end.
func exhausted(p specs.RestartPolicy, past []Exit) bool {
	if p.MaxAttempts == 0 {
		return false
	}
	restarts := past[:len(past)-1]
	if p.Window == 0 {
		return uint64(len(restarts)) >= p.MaxAttempts
	}
	from := past[len(past)-1].At.Add(-time.Duration(p.Window))
	within := uint64(0)
	for _, exit := range restarts {
		if exit.At.After(from) {
			within++
		}
	}
	return within >= p.MaxAttempts
}

func delay(p specs.RestartPolicy, past []Exit) time.Duration {
	if d := wanted(p); d >= loopDelay || !loops(past) {
		return d
	}
	return loopDelay
}

// wanted is the delay that the policy asks for.
func wanted(p specs.RestartPolicy) time.Duration { return p.Delay.Or(specs.DefaultRestartDelay) }

func loops(past []Exit) bool {
	if len(past) < loopEnds {
		return false
	}
	first, last := past[len(past)-loopEnds], past[len(past)-1]
	return last.At.Sub(first.At) < loopEnds*loopDelay
}
