package agent_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// A node whose manager, in its own process, is opened at the same time says
// nothing of that, nor of its election; one that is told of no manager at all
// does, once.
func TestAStartIsNoTrouble(t *testing.T) {
	for _, tc := range []struct {
		name          string
		opened, leads time.Duration // from the start: when the manager is known, and when it leads
		lines         int
	}{
		{"a manager that is opened", 5 * time.Second, 0, 0},
		{"a manager that is elected", 0, 3 * time.Second, 0},
		{"no manager", time.Hour, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *cluster) {
				var log bytes.Buffer
				n, m, begun := c.machine("n1"), c.managers[0], time.Now()
				c.leading.stop() // it is elected still
				n.seeds = nil
				n.adapt = func(config *agent.Config) {
					config.Log = slog.New(slog.NewTextHandler(&log, nil))
					config.Local = func() []wire.Manager {
						if time.Since(begun) < tc.opened {
							return nil
						}
						all, _ := m.view()
						return all
					}
				}
				n.start()
				after(tc.leads)
				m.lead()
				after(time.Minute)
				n.daemon.stop()
				if got := strings.Count(log.String(), "no session with a manager"); got != tc.lines {
					t.Errorf("%d lines, want %d:\n%s", got, tc.lines, &log)
				}
			})
		})
	}
}
