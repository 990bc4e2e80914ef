package agent_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// crowd adds nodes with tasks that run, and returns both by their order.
func (c *cluster) crowd(nodes, tasksEach int) (all []*node, tasks map[*node][]string) {
	c.Helper()
	c.service("shop_web", web)
	tasks = map[*node][]string{}
	for i := range nodes {
		n := c.node(fmt.Sprint("n", i+1))
		all = append(all, n)
		for range tasksEach {
			tasks[n] = append(tasks[n], c.assign("shop_web", n.id, specs.StateRunning))
		}
	}
	after(time.Second)
	for _, n := range all {
		n.holds(tasks[n]...)
	}
	return all, tasks
}

// wantHeard demands that the manager has heard of every node.
func (m *manager) wantHeard(nodes []*node) {
	m.Helper()
	for _, n := range nodes {
		if m.dispatcher.Heard(n.id).IsZero() {
			m.Errorf("%s has not heard of %s", m.addr, n.id)
		}
	}
}

// TestSessionsMoveToTheNewLeader takes the leader away in several ways. No node
// goes down, no task is touched, and no assignment is lost.
func TestSessionsMoveToTheNewLeader(t *testing.T) {
	for _, tc := range []struct {
		name   string
		lose   func(c *cluster, old *manager, nodes []*node)
		within time.Duration // from the election
	}{
		{"it steps down", func(c *cluster, _ *manager, _ []*node) { c.leading.stop() }, 5 * time.Second},
		{"it is killed", func(c *cluster, old *manager, nodes []*node) {
			old.become(dead)
			for _, n := range nodes {
				n.hangUp(old)
			}
			c.leading.stop()
		}, 5 * time.Second},
		{"it is cut off and does not know it", func(_ *cluster, old *manager, nodes []*node) {
			old.become(cutOff)
			for _, n := range nodes {
				n.freezeTo(old)
			}
		}, 15 * time.Second}, // of which the nodes need 10 s to find out
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubbleOf(t, 3, func(t *testing.T, c *cluster) {
				old, next := c.managers[0], c.managers[1]
				nodes, tasks := c.crowd(50, 2)
				old.wantHeard(nodes)
				after(time.Minute)
				entries := c.entries

				tc.lose(c, old, nodes)
				c.elect(nil)
				for _, n := range nodes { // while nobody leads
					tasks[n] = append(tasks[n], c.assign("shop_web", n.id, specs.StateRunning))
					c.want(tasks[n][0], specs.StateShutdown)
				}
				after(time.Second)
				next.lead()
				after(tc.within)
				next.wantHeard(nodes)
				after(time.Minute)
				for _, n := range nodes {
					n.holds(tasks[n][1:]...)
					n.startedOnce()
					c.sees(tasks[n][0], specs.StateShutdown)
					c.sees(tasks[n][2], specs.StateRunning)
					if got := n.status(); got != specs.NodeReady {
						t.Errorf("%s is %s", n.id, got)
					}
				}
				if most := 5 * len(nodes); c.entries-entries > most {
					t.Errorf("%d entries, want at most %d: the ends and the starts", c.entries-entries, most)
				}
			})
		})
	}
}

func TestAFailoverWithoutNewsWritesNothing(t *testing.T) {
	bubbleOf(t, 3, func(t *testing.T, c *cluster) {
		nodes, tasks := c.crowd(50, 2)
		entries := c.entries
		for _, next := range []int{1, 2, 0, 2} {
			c.leading.stop()
			c.elect(nil)
			after(300 * time.Millisecond)
			c.leading = c.managers[next].lead()
			after(3 * time.Second)
		}
		after(time.Minute)
		c.managers[2].wantHeard(nodes)
		for _, n := range nodes {
			n.holds(tasks[n]...)
			n.startedOnce()
		}
		if c.entries != entries {
			t.Errorf("%d entries were written", c.entries-entries)
		}
	})
}

func TestAFollowerLeadsToTheLeaderAtOnce(t *testing.T) {
	bubbleOf(t, 3, func(t *testing.T, c *cluster) {
		n := c.machine("n1")
		n.seeds = []string{"m3"}
		start := time.Now()
		n.start()
		synctest.Wait()
		if took := time.Since(start); took != 0 || n.status() != specs.NodeReady || n.dialed() != 2 {
			t.Errorf("%s after %s and %d connections", n.status(), took, n.dialed())
		}
	})
}

func TestWrongHints(t *testing.T) {
	bubbleOf(t, 3, func(t *testing.T, c *cluster) {
		c.managers[1].believe("m3")
		c.managers[2].believe("m2")
		n := c.machine("n1")
		n.seeds = []string{"m2"}
		n.start()
		after(10 * time.Second)
		if got := n.status(); got != specs.NodeReady {
			t.Errorf("%s: the two that point at each other are all it asks", got)
		}

		c.leading.stop() // now all are wrong
		c.managers[0].believe("m2")
		before := n.dialed()
		after(time.Hour)
		if got := n.dialed() - before; got < 3600/8 || got > 3*3600/3 {
			t.Errorf("%d connections in an hour", got)
		}
		for _, m := range c.managers {
			m.believe("")
		}
		c.managers[2].lead()
		after(9 * time.Second)
		c.managers[2].wantHeard([]*node{n})
	})
}

func TestAllManagersAway(t *testing.T) {
	bubbleOf(t, 3, func(t *testing.T, c *cluster) {
		nodes, tasks := c.crowd(5, 2)
		for _, m := range c.managers {
			m.become(dead)
			for _, n := range nodes {
				n.hangUp(m)
			}
		}
		c.leading.stop()
		c.elect(nil)
		nodes[0].engine.Kill(tasks[nodes[0]][0], specs.Exit{Code: 3})
		after(time.Hour)
		for i, n := range nodes {
			n.holds(tasks[n][min(i, 1)^1:]...)
		}
		c.managers[1].become(reachable)
		c.managers[1].lead()
		after(8 * time.Second * 3) // it is one of three
		c.managers[1].wantHeard(nodes)
		if task := c.sees(tasks[nodes[0]][0], specs.StateFailed); task.Seen.Exit.Code != 3 {
			t.Errorf("seen %+v", task.Seen)
		}
		for _, n := range nodes {
			n.startedOnce()
		}
	})
}

func TestARestartedDaemonKnowsTheManagers(t *testing.T) {
	bubbleOf(t, 3, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		synctest.Wait()
		n.daemon.stop()
		n.seeds = nil
		c.leading.stop()
		c.managers[0].become(dead)
		c.managers[2].lead()
		n.start()
		after(time.Second)
		c.managers[2].wantHeard([]*node{n})
	})
}

func TestItsOwnManagerIsAskedWhoLeads(t *testing.T) {
	bubbleOf(t, 3, func(t *testing.T, c *cluster) {
		c.managers[2].become(cutOff)
		n := c.machine("n1")
		n.seeds = []string{"m3"}
		n.adapt = func(config *agent.Config) {
			config.Local = func() []wire.Manager {
				all, _ := c.managers[1].view()
				return all
			}
		}
		n.start()
		after(time.Second)
		if n.status() != specs.NodeReady || n.dialed() != 1 {
			t.Errorf("%s after %d connections", n.status(), n.dialed())
		}

		// The own manager is left behind and names a leader that was cut off.
		c.managers[1].believe("m1")
		c.managers[0].become(cutOff)
		n.freezeTo(c.managers[0])
		c.managers[2].become(reachable)
		c.managers[2].lead()
		after(25 * time.Second)
		c.managers[2].wantHeard([]*node{n})
		after(time.Minute) // the dead connection is given up
	})
}

func TestWithoutAnyManagerTheDaemonWaits(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.machine("n1")
		n.seeds = nil
		var local atomic.Pointer[[]wire.Manager]
		local.Store(&[]wire.Manager{})
		n.adapt = func(config *agent.Config) { config.Local = func() []wire.Manager { return *local.Load() } }
		n.start()
		after(time.Hour)
		if n.dialed() != 0 {
			t.Errorf("%d connections to nowhere", n.dialed())
		}
		local.Store(&[]wire.Manager{{NodeID: "n1", Addr: "m1", Leader: true}})
		after(8 * time.Second)
		if got := n.status(); got != specs.NodeReady {
			t.Errorf("the node is %s", got)
		}
	})
}

func TestANodeIsToldItsRoleAndShowsANewCertificate(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.machine("n1")
		told := make(chan wire.Place, 10)
		renewed := make(chan struct{}, 1)
		n.adapt = func(config *agent.Config) {
			config.Renewed = renewed
			config.Told = func(m wire.Place) { told <- m }
		}
		n.start()
		synctest.Wait()
		first := <-told
		row, _ := c.store.Snapshot().Node("n1")
		row.Spec.Role = specs.Manager
		c.write(specs.Change{NodeSpec: specs.Set("n1", row.SpecVersion, row.Spec)})
		synctest.Wait()
		if second := <-told; second.SessionID != first.SessionID || first.Role != "" || second.Role != specs.Manager {
			t.Errorf("told %+v, then %+v", first, second)
		}
		renewed <- struct{}{}
		after(time.Second)
		if third := <-told; third.SessionID == first.SessionID || n.dialed() != 2 {
			t.Errorf("the new certificate was shown in %d connections", n.dialed())
		}
	})
}

func TestARemovedNodeStopsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		nodes, tasks := c.crowd(1, 2)
		n := nodes[0]
		row, _ := c.store.Snapshot().Node(n.id)
		c.write(specs.Change{Node: specs.Remove[specs.Node](n.id, row.SpecVersion)})
		before := n.dialed()
		after(time.Hour)
		n.holds(tasks[n]...)
		if got := n.dialed() - before; got < 30 || got > 60 {
			t.Errorf("it asked %d times in an hour", got)
		}
		c.write(specs.Change{Node: specs.Insert(n.id, row)}) // readmitted
		after(2 * time.Minute)
		if got := n.status(); got != specs.NodeReady {
			t.Errorf("readmitted, it is %s", got)
		}
		n.startedOnce()
	})
}

// TestANodeThatWasCutOffStopsWhatWasReplaced has a manager replace some of its
// tasks meanwhile, in each way that there is.
func TestANodeThatWasCutOffStopsWhatWasReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		nodes, tasks := c.crowd(2, 5)
		n := nodes[0]
		mine := slices.Clone(tasks[n])
		n.disconnect()
		after(time.Minute)
		if got := n.status(); got != specs.NodeDown {
			t.Fatalf("the node is %s", got)
		}
		n.holds(mine...)
		replaced, forgotten, removed, kept := mine[0], mine[1], mine[2], mine[3:]
		c.want(replaced, specs.StateShutdown)
		c.forget(forgotten)
		c.want(removed, specs.StateRemove)
		instead := c.assign("shop_web", "n2", specs.StateRunning)
		after(time.Hour)
		n.holds(mine...)
		c.sees(instead, specs.StateRunning)

		n.reconnect()
		after(20 * time.Second)
		n.holds(kept...)
		nodes[1].holds(append([]string{instead}, tasks[nodes[1]]...)...)
		for _, id := range append([]string{instead}, kept...) {
			c.sees(id, specs.StateRunning)
		}
		c.sees(replaced, specs.StateShutdown)
		n.startedOnce()
		if diff := cmp.Diff(idsOf(c, "n1"), n.rememberedAfterStop()); diff != "" {
			t.Errorf("remembered: %s", diff)
		}
	})
}

// TestManagersThatAreCutOff has three of seven not answer, the leader among them.
func TestManagersThatAreCutOff(t *testing.T) {
	bubbleOf(t, 7, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		synctest.Wait()
		for _, m := range c.managers[:3] {
			m.become(cutOff)
		}
		n.daemon.stop()
		c.leading.stop()
		c.managers[6].lead()
		n.start()
		after(3 * wire.HeadStart)
		c.managers[6].wantHeard([]*node{n})
	})
}
