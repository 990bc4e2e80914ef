package agent_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

// patient is a check whose words and times are easy to count.
var patient = specs.Healthcheck{
	Test: []string{specs.TestCommand, "check"}, Interval: specs.Duration(10 * time.Second), Timeout: specs.Duration(3 * time.Second),
	StartInterval: specs.Duration(time.Second), Retries: 3,
}

// checking is a behaviour whose check answers as answer says.
func checking(answer *atomic.Int64) executortest.Behaviour {
	return executortest.Behaviour{Exec: func(ctx context.Context, _ executor.Task, c executor.Command) (int, error) {
		code := int(answer.Load())
		if code < 0 { // mute
			<-ctx.Done()
			return 0, ctx.Err()
		}
		_, err := c.Stdout.Write([]byte(strings.Repeat("x", 1000) + " what the check says\n"))
		return code, err
	}}
}

func TestHealth(t *testing.T) {
	period := patient
	period.StartPeriod = specs.Duration(time.Minute)
	for name, tc := range map[string]struct {
		check specs.Healthcheck
		story func(t *testing.T, n *node, id string, answer *atomic.Int64)
	}{
		"RUNNING once healthy": {patient, func(t *testing.T, n *node, id string, _ *atomic.Int64) {
			n.sees(id, specs.StateStarting)
			if words := n.task(id).Seen.Message; words != "first health check after 10s" {
				t.Errorf("says %q", words)
			}
			after(10 * time.Second)
			n.sees(id, specs.StateRunning)
		}},
		"never healthy": {patient, func(t *testing.T, n *node, id string, answer *atomic.Int64) {
			answer.Store(2)
			after(11 * time.Second)
			n.sees(id, specs.StateStarting)
			if seen := n.task(id).Seen; !strings.HasPrefix(seen.Message, "health check 1 of 3 failed: exit code 2: xxx") ||
				!strings.HasSuffix(seen.Message, "what the check says") || len(seen.Health.Output) > 300 || seen.Health.State != specs.HealthStarting {
				t.Errorf("sees %+v", seen)
			}
			after(20 * time.Second)
			n.fails(id, "task: unhealthy container: health check failed 3 times in a row: exit code 2: ")
		}},
		"unhealthy later": {patient, func(t *testing.T, n *node, id string, answer *atomic.Int64) {
			after(15 * time.Second)
			answer.Store(1)
			after(20 * time.Second)
			answer.Store(0)
			after(10 * time.Second)
			n.sees(id, specs.StateRunning)
			answer.Store(1)
			after(40 * time.Second)
			n.fails(id, "failed 3 times in a row")
		}},
		"mute": {patient, func(t *testing.T, n *node, id string, answer *atomic.Int64) {
			answer.Store(-1)
			after(40 * time.Second) // three times an interval and a timeout
			n.fails(id, "health check failed 3 times in a row: no answer in 3s")
		}},
		"start period": {period, func(t *testing.T, n *node, id string, answer *atomic.Int64) {
			answer.Store(1)
			after(50 * time.Second)
			n.sees(id, specs.StateStarting)
			if words := n.task(id).Seen.Message; !strings.HasPrefix(words, "health check failed in the start period of 1m0s: ") {
				t.Errorf("says %q", words)
			}
			answer.Store(0)
			after(2 * time.Second)
			n.sees(id, specs.StateRunning)
			answer.Store(1)
			after(31 * time.Second)
			n.fails(id, "3 times in a row")
		}},
		"a new daemon goes on": {patient, func(t *testing.T, n *node, id string, answer *atomic.Int64) {
			after(11 * time.Second)
			n.sees(id, specs.StateRunning)
			n.restart()
			after(time.Second)
			n.sees(id, specs.StateRunning)
			answer.Store(1)
			after(40 * time.Second)
			n.fails(id, "3 times in a row")
		}},
		"a new daemon before it is healthy": {patient, func(t *testing.T, n *node, id string, answer *atomic.Int64) {
			after(time.Second)
			n.restart()
			after(12 * time.Second)
			n.sees(id, specs.StateRunning)
		}},
		"the engine is away": {patient, func(t *testing.T, n *node, id string, answer *atomic.Int64) {
			after(11 * time.Second)
			n.engine.SetDown(true)
			after(time.Hour)
			n.engine.SetDown(false)
			after(time.Minute)
			n.sees(id, specs.StateRunning)
		}},
		"disabled": {specs.Healthcheck{Test: []string{specs.TestNone}}, func(t *testing.T, n *node, id string, answer *atomic.Int64) {
			answer.Store(1)
			n.sees(id, specs.StateRunning)
			after(time.Hour)
			n.sees(id, specs.StateRunning)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *cluster) {
				n, answer := c.node("n1"), new(atomic.Int64)
				n.engine.SetImage("web:1", checking(answer))
				spec := web
				spec.Healthcheck = &tc.check
				c.service("shop_web", spec)
				id := c.assign("shop_web", "n1", specs.StateRunning)
				after(time.Second / 2)
				tc.story(t, n, id, answer)
				n.startedOnce()
			})
		})
	}
}

func TestTheImagesOwnHealthcheck(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, answer := c.node("n1"), new(atomic.Int64)
		b := checking(answer)
		b.Healthcheck = &specs.Healthcheck{Test: []string{specs.TestShell, "check"}, Interval: specs.Duration(time.Second)}
		n.engine.SetImage("web:1", b)
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		after(time.Second / 2)
		c.sees(id, specs.StateStarting)
		after(time.Second)
		c.sees(id, specs.StateRunning)
		answer.Store(1)
		after(10 * time.Second)
		n.fails(id, "failed 3 times in a row")
	})
}

// How long the start of a check takes on a busy machine says nothing about the task.
func TestSlowStartOfChecks(t *testing.T) {
	for takes, want := range map[time.Duration]specs.State{20 * time.Second: specs.StateRunning, 2 * time.Hour: specs.StateStarting} {
		bubble(t, func(t *testing.T, c *cluster) {
			n, b := c.node("n1"), checking(new(atomic.Int64))
			b.ExecStartTakes = takes
			n.engine.SetImage("web:1", b)
			spec := web
			spec.Healthcheck = &patient
			c.service("shop_web", spec)
			id := c.assign("shop_web", "n1", specs.StateRunning)
			after(time.Hour)
			n.sees(id, want)
		})
	}
}

// fails demands that the task has failed, in these words, and left nothing.
func (n *node) fails(id, words string) {
	n.Helper()
	n.sees(id, specs.StateFailed)
	if seen := n.task(id).Seen; !strings.Contains(seen.Err, words) {
		n.Errorf("failed with %q, want %q", seen.Err, words)
	}
	n.holds()
}
