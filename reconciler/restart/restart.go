// Package restart says whether and when a dead task's slot is filled again. It
// is pure, and converge asks it once for each slot whose task has ended.
//
// Its only memory is the ended tasks that the store keeps for a slot, and their
// numbers, so the next leader decides the same. It refuses loops: however short the
// delay that was asked for, a slot that keeps dying waits.
package restart

import (
	"slices"
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
	State  specs.State // complete, failed or rejected
	At     time.Time   // when the managers noticed it
	Number uint64      // from 1, of the slot's tasks of its spec: those that are forgotten count too
}

// Next says whether a slot whose task has ended gets a new one, and when that
// may start. Past holds the ends of the slot's tasks of the same spec that are
// remembered, oldest first; the last one is the end to answer. The answer does not
// change with time, so it may be asked again.
func Next(p specs.RestartPolicy, past []Exit) (at time.Time, ok bool) {
	last := past[len(past)-1]
	if !covers(p.Condition, last.State) || exhausted(p, past) {
		return time.Time{}, false
	}
	return last.At.Add(delay(p, past)), true
}

// maxEnds bounds how many of the last ended tasks of a slot are remembered because
// of a policy: more attempts than that are counted by the numbers of those.
const maxEnds = 100

// Attempts is how many of the last ended tasks of a slot have to be remembered for
// the policy to be kept, and a loop to be seen.
func Attempts(p specs.RestartPolicy) int {
	ends := 0
	if p.MaxAttempts > 0 {
		ends = int(min(p.MaxAttempts, maxEnds)) + 1
	}
	if wanted(p) < loopDelay {
		ends = max(ends, loopEnds)
	}
	return ends
}

// Dates reports whether an older end has to be remembered too, for when it was: of
// so many attempts within a window every stride-th, about maxEnds in all. Up to
// stride-1 restarts more than max_attempts may pass then.
func Dates(p specs.RestartPolicy, end, last uint64) bool {
	every := stride(p)
	return p.Window > 0 && end%every == 0 && (last-end)/every <= p.MaxAttempts/every+1
}

// stride is 1 up to maxEnds attempts.
func stride(p specs.RestartPolicy) uint64 { return (max(p.MaxAttempts, 1)-1)/maxEnds + 1 }

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
	last := past[len(past)-1]
	switch {
	case p.MaxAttempts == 0:
		return false
	case p.Window == 0:
		return last.Number > p.MaxAttempts
	}
	from := last.At.Add(-time.Duration(p.Window))
	first := slices.IndexFunc(past, func(e Exit) bool { return e.At.After(from) })
	return last.Number-past[first].Number >= p.MaxAttempts
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
