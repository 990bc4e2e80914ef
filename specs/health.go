package specs

import (
	"cmp"
	"time"
)

// Healthcheck is how a node finds out whether a task works, in Docker's words.
// What is zero comes from the image's own check, or else is the default.
type Healthcheck struct {
	Test          []string `json:"test,omitempty"` // CMD and a command, CMD-SHELL and a text for a shell, or NONE
	Interval      Duration `json:"interval,omitempty"`
	Timeout       Duration `json:"timeout,omitempty"`
	Retries       uint64   `json:"retries,omitempty"`        // failures in a row that make a task unhealthy
	StartPeriod   Duration `json:"start_period,omitempty"`   // in which failures do not count until the first success
	StartInterval Duration `json:"start_interval,omitempty"` // in the start period
}

// First words of a Healthcheck's Test.
const (
	TestNone    = "NONE"
	TestCommand = "CMD"
	TestShell   = "CMD-SHELL"
)

// Docker's defaults of a health check. StartPeriod's is zero.
const (
	DefaultHealthInterval      = Duration(30 * time.Second)
	DefaultHealthTimeout       = Duration(30 * time.Second)
	DefaultHealthStartInterval = Duration(5 * time.Second)
	DefaultHealthRetries       = 3
)

// Over is the check of a task whose image brings another one. Both may be nil.
func (c *Healthcheck) Over(image *Healthcheck) Healthcheck {
	var own, its Healthcheck
	if c != nil {
		own = *c
	}
	if image != nil {
		its = *image
	}
	if len(own.Test) == 0 {
		own.Test = its.Test
	}
	own.Interval = cmp.Or(own.Interval, its.Interval, DefaultHealthInterval)
	own.Timeout = cmp.Or(own.Timeout, its.Timeout, DefaultHealthTimeout)
	own.Retries = cmp.Or(own.Retries, its.Retries, DefaultHealthRetries)
	own.StartPeriod = cmp.Or(own.StartPeriod, its.StartPeriod)
	own.StartInterval = cmp.Or(own.StartInterval, its.StartInterval, DefaultHealthStartInterval)
	return own
}

// Command is what the check runs in the task; nil if there is nothing to check.
func (c Healthcheck) Command() []string {
	if len(c.Test) < 2 {
		return nil
	}
	switch c.Test[0] {
	case TestCommand:
		return c.Test[1:]
	case TestShell:
		return append([]string{"/bin/sh", "-c"}, c.Test[1:]...)
	}
	return nil
}

// Health is whether a running task works.
type Health string

// The healths of a task, in Docker's words. The empty one is of a task that is
// not checked.
const (
	HealthStarting Health = "starting" // no check has succeeded yet
	Healthy        Health = "healthy"
	Unhealthy      Health = "unhealthy"
)

// HealthSeen is what a task's checks have found.
type HealthSeen struct {
	State    Health `json:"state"`
	Failures uint64 `json:"failures,omitempty"` // in a row, that count
	Output   string `json:"output,omitempty"`   // of the last check that failed, its end
}
