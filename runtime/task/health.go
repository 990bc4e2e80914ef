package task

import (
	"fmt"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Check is how a task is checked. The zero Check is not at all: the task is as
// good as healthy while it runs.
type Check struct {
	Interval      time.Duration `json:"interval,omitempty"`
	Timeout       time.Duration `json:"timeout,omitempty"`
	StartPeriod   time.Duration `json:"start_period,omitempty"`
	StartInterval time.Duration `json:"start_interval,omitempty"`
	Retries       uint64        `json:"retries,omitempty"`
}

// Health is what a life remembers of its checks.
type Health struct {
	Check Check     `json:"check,omitzero"`
	Since time.Time `json:"since,omitzero"` // when the process was first seen to run
	Sick  string    `json:"sick,omitempty"` // why the task is to end, in words
}

// Checked is what one check found. A Failure, other than Final, says nothing
// about the task.
type Checked struct {
	Began  time.Time
	Code   int    // of the command; 0 is healthy
	Late   bool   // it was killed when its time was over
	Output string // the end of what it wrote
	Failure
}

func (Checked) event() {}

// running is a process that is known to run, healthy or not yet.
func (l *Life) running() bool {
	return l.Seen.State == specs.StateRunning || l.Seen.State == specs.StateStarting && !l.Health.Since.IsZero()
}

// runs takes note of a process. The task is RUNNING at once if nothing is to be
// checked before.
func (l *Life) runs(pid int, check Check, now time.Time) {
	l.Seen.PID = pid
	l.Health.Check = check
	if l.Health.Since.IsZero() {
		l.Health.Since = now
	}
	switch {
	case check == Check{}:
		l.Seen.Health = specs.HealthSeen{}
		l.works(now)
	case l.Seen.State == specs.StateRunning && l.Seen.Health.State == "":
		l.Seen.Health.State = specs.Healthy // or it would not be RUNNING
	case l.Seen.Health.State == "":
		l.Seen.Health.State = specs.HealthStarting
		l.Seen.Message = fmt.Sprintf("first health check after %s", specs.Duration(l.nextCheck(now)))
	}
}

// works makes the task RUNNING.
func (l *Life) works(now time.Time) {
	if l.Seen.State < specs.StateRunning {
		l.raise(specs.StateRunning, now)
		l.Seen.Running = now
	}
}

// nextCheck is when the next check is due, from now; 0 if none is.
func (l *Life) nextCheck(now time.Time) time.Duration {
	c := l.Health.Check
	if l.Seen.Health.State == specs.HealthStarting && now.Sub(l.Health.Since) < c.StartPeriod {
		return c.StartInterval
	}
	return c.Interval
}

// checked counts as Docker does: a failure in the start period counts only once
// a check has succeeded.
func (l *Life) checked(e Checked, now time.Time) {
	seen := &l.Seen.Health
	if !l.running() || l.Health.Sick != "" || e.Kind != Succeeded && e.Kind != Final {
		return
	}
	if e.Kind == Succeeded && !e.Late && e.Code == 0 {
		l.Seen.Message = ""
		*seen = specs.HealthSeen{State: specs.Healthy}
		l.works(now)
		return
	}
	seen.Output = e.Output
	words := l.Health.Check.failed(e)
	if seen.State == specs.HealthStarting && e.Began.Sub(l.Health.Since) < l.Health.Check.StartPeriod {
		l.Seen.Message = fmt.Sprintf("health check failed in the start period of %s: %s", specs.Duration(l.Health.Check.StartPeriod), words)
		return
	}
	seen.Failures++
	l.Seen.Message = fmt.Sprintf("health check %d of %d failed: %s", seen.Failures, l.Health.Check.Retries, words)
	if seen.Failures >= l.Health.Check.Retries {
		seen.State = specs.Unhealthy
		l.Health.Sick = fmt.Sprintf("task: unhealthy container: health check failed %s: %s", times(seen.Failures), words)
	}
}

// failed says how a check failed, in one line.
func (c Check) failed(e Checked) string {
	words := fmt.Sprintf("exit code %d", e.Code)
	switch {
	case e.Kind == Final:
		return e.Words
	case e.Late:
		words = fmt.Sprintf("no answer in %s", specs.Duration(c.Timeout))
	}
	if output := strings.Join(strings.Fields(e.Output), " "); output != "" {
		words += ": " + output
	}
	return words
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}
