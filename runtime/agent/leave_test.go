package agent_test

import (
	"context"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

// leaver is a node whose agent can be told to leave.
func (c *cluster) leaver(id string) (*node, *agent.Agent) {
	n := c.machine(id)
	config := agent.Config{}
	n.adapt = func(made *agent.Config) { config = *made }
	n.start()
	n.daemon.stop()
	a := agent.New(config)
	n.daemon = run(n.T, "agent "+id, a.Run)
	return n, a
}

// A node that leaves has no session when its managers are told, stops its tasks
// with their signal, and its agent is at its end.
func TestLeave(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, a := c.leaver("n1")
		c.service("shop_web", web)
		tasks := []string{c.assign("shop_web", "n1", specs.StateRunning), c.assign("shop_web", "n1", specs.StateReady)}
		after(time.Second)
		n.holds(tasks...)

		told := 0
		err := a.Leave(t.Context(), func(context.Context) {
			told++
			n.holds(tasks...)
			dials := n.dialed()
			after(time.Minute)
			if n.status() != specs.NodeDown || n.dialed() != dials {
				t.Errorf("the node is %s and asked the manager %d times", n.status(), n.dialed()-dials)
			}
		})
		if err != nil || told != 1 {
			t.Fatalf("leave: %v, told %d times", err, told)
		}
		n.holds()
		n.startedOnce()
		if left := n.rememberedAfterStop(); len(left) > 0 {
			t.Errorf("remembered: %v", left)
		}
		if err := a.Leave(t.Context(), nil); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// Who asked may go away; the node leaves all the same.
func TestLeaveGoesOnWithoutWhoAsked(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, a := c.leaver("n1")
		grace := specs.Duration(time.Minute)
		stubborn := web
		stubborn.StopGrace = &grace
		c.service("shop_web", stubborn)
		n.engine.SetImage("web:1", executortest.Behaviour{IgnoresStop: true})
		id := c.assign("shop_web", "n1", specs.StateRunning)
		after(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.Leave(ctx, func(context.Context) {}); err != context.DeadlineExceeded {
			t.Fatalf("leave: %v", err)
		}
		n.holds(id)
		after(2 * time.Minute)
		n.holds()
	})
}
