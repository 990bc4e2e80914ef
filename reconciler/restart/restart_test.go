package restart

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// ends makes exits with the state at so many milliseconds after start.
func ends(state specs.State, at ...int) []Exit {
	var past []Exit
	for i, ms := range at {
		past = append(past, Exit{State: state, At: start.Add(time.Duration(ms) * time.Millisecond), Number: uint64(i + 1)})
	}
	return past
}

func duration(d time.Duration) *specs.Duration { return (*specs.Duration)(&d) }

func TestNext(t *testing.T) {
	const never = -1
	for name, test := range map[string]struct {
		policy specs.RestartPolicy
		past   []Exit
		want   int // milliseconds after start
	}{
		"scenario 5: any restarts a completed task":       {specs.RestartPolicy{}, ends(specs.StateComplete, 0), 5000},
		"scenario 5: any restarts a failed task":          {specs.RestartPolicy{Condition: specs.RestartAny}, ends(specs.StateFailed, 0), 5000},
		"scenario 5: on-failure restarts a failed task":   {specs.RestartPolicy{Condition: specs.RestartOnFailure}, ends(specs.StateFailed, 0), 5000},
		"scenario 5: on-failure restarts a rejected task": {specs.RestartPolicy{Condition: specs.RestartOnFailure}, ends(specs.StateRejected, 0), 5000},
		"scenario 5: on-failure leaves a completed task":  {specs.RestartPolicy{Condition: specs.RestartOnFailure}, ends(specs.StateComplete, 0), never},
		"scenario 5: none restarts nothing":               {specs.RestartPolicy{Condition: specs.RestartNone}, ends(specs.StateFailed, 0), never},
		"scenario 6: the delay counts from the end":       {specs.RestartPolicy{Delay: duration(100 * time.Millisecond)}, ends(specs.StateFailed, 40), 140},
		"scenario 7: one attempt restarts once":           {specs.RestartPolicy{MaxAttempts: 1}, ends(specs.StateFailed, 0), 5000},
		"scenario 7: the second failure leaves it dead":   {specs.RestartPolicy{MaxAttempts: 1}, ends(specs.StateFailed, 0, 60_000), never},
		"no limit": {specs.RestartPolicy{}, ends(specs.StateFailed, 0, 6_000, 12_000, 18_000), 23_000},
		"scenario 8: a failure inside the window is not followed": {windowed(500), ends(specs.StateFailed, 0, 400), never},
		"scenario 8: one after the window is":                     {windowed(500), ends(specs.StateFailed, 0, 600), 700},
		"the window slides":                                       {windowed(500), ends(specs.StateFailed, 0, 600, 900), never},
		"no delay":                                                {specs.RestartPolicy{Delay: duration(0)}, ends(specs.StateFailed, 0), 0},
		"no delay for one that lived":                             {specs.RestartPolicy{Delay: duration(0)}, ends(specs.StateFailed, 0, 3000), 3000},
		"no delay for a second quick failure":                     {specs.RestartPolicy{Delay: duration(0)}, ends(specs.StateFailed, 0, 10), 10},
		"no loop without a delay":                                 {specs.RestartPolicy{Delay: duration(0)}, ends(specs.StateFailed, 0, 10, 20), 1020},
		"it stays slowed down":                                    {specs.RestartPolicy{Delay: duration(0)}, ends(specs.StateFailed, 20, 1030, 2040), 3040},
	} {
		t.Run(name, func(t *testing.T) {
			at, ok := Next(test.policy, test.past)
			if !ok {
				if test.want != never {
					t.Fatalf("is left dead, want a task after %d ms", test.want)
				}
				return
			}
			if got := int(at.Sub(start).Milliseconds()); got != test.want {
				t.Errorf("comes back after %d ms, want %d", got, test.want)
			}
		})
	}
}

// windowed is one attempt within a window, with a delay of 100 ms.
func windowed(ms int) specs.RestartPolicy {
	return specs.RestartPolicy{
		MaxAttempts: 1,
		Delay:       duration(100 * time.Millisecond),
		Window:      specs.Duration(time.Duration(ms) * time.Millisecond),
	}
}

// A slot that is remembered in part is left when its attempts are used, never
// before, and not much later: at once if there are few, or no window.
func TestForgettingLosesNoCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := specs.RestartPolicy{
			MaxAttempts: rapid.OneOf(rapid.Uint64Range(1, 2*maxEnds), rapid.Uint64Range(1, 10*maxEnds)).Draw(t, "attempts"),
			Window:      specs.Duration(rapid.Int64Range(0, 2000).Draw(t, "window")) * specs.Duration(time.Second),
		}
		late := stride(p) - 1
		if p.Window == 0 {
			late = 0
		}
		gap := rapid.Int64Range(1, 3000)
		var all, kept []Exit
		now := start
		for number := uint64(1); number < 2*p.MaxAttempts; number++ {
			now = now.Add(time.Duration(gap.Draw(t, "gap")) * time.Millisecond)
			last := Exit{State: specs.StateFailed, At: now, Number: number}
			all, kept = append(all, last), append(kept, last)
			restarts := uint64(0)
			for _, e := range all[:len(all)-1] {
				if p.Window == 0 || e.At.After(now.Add(-time.Duration(p.Window))) {
					restarts++
				}
			}
			_, again := Next(p, kept)
			if !again && restarts < p.MaxAttempts || again && restarts >= p.MaxAttempts+late {
				t.Fatalf("after %d of %d attempts it is restarted: %t", restarts, p.MaxAttempts, again)
			}
			newest := number - min(number, uint64(Attempts(p)))
			kept = slices.DeleteFunc(kept, func(e Exit) bool { return e.Number <= newest && !Dates(p, e.Number, number) })
			if len(kept) > 2*maxEnds+5 {
				t.Fatalf("of %d ends %d are remembered", number, len(kept))
			}
		}
	})
}

func TestAttempts(t *testing.T) {
	for attempts, want := range map[uint64]int{0: 0, 1: 2, 7: 8, 100: 101, 1 << 63: 101} {
		if got := Attempts(specs.RestartPolicy{MaxAttempts: attempts}); got != want {
			t.Errorf("%d attempts: %d ends to remember, want %d", attempts, got, want)
		}
	}
	for attempts, want := range map[uint64]int{0: loopEnds, 1: loopEnds, 7: 8} {
		if got := Attempts(specs.RestartPolicy{MaxAttempts: attempts, Delay: duration(0)}); got != want {
			t.Errorf("%d attempts without a delay: %d ends to remember, want %d", attempts, got, want)
		}
	}
}
