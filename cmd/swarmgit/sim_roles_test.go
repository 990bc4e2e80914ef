package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// TestAManagerThatIsOneAgainVotesAgain: who is demoted and promoted before its node
// has learned of the first, because it was cut off or because that was quick, goes on
// as the manager that it was, and is given its vote back.
func TestAManagerThatIsOneAgainVotesAgain(t *testing.T) {
	for name, cut := range map[string]bool{"at once": false, "while it is cut off": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t, 3, simNodeOf(8<<30, "ssd"), simNodeOf(8<<30, "ssd"), simNodeOf(8<<30, "ssd"))
				away, leader := c.nodes[2], c.leading()
				if leader == away {
					away = c.nodes[1]
				}
				if cut {
					out, in := c.links(away)
					c.network.cutLinks(append(out, in...)...)
				}
				c.order(leader, api.UpdateNodeRequest{Name: away.id, Role: specs.Worker})
				c.await("it votes no more", func(store.Snapshot) bool { return len(leader.managing().Managers()) == 2 })
				c.order(leader, api.UpdateNodeRequest{Name: away.id, Role: specs.Manager})
				if cut {
					time.Sleep(time.Minute)
					c.network.heal()
				}
				c.awaitManagers()
				c.awaitReady()
				c.rest()
				c.wantInvariants()
			})
		})
	}
}

// A leader that is demoted hands over. What it is asked meanwhile waits for the next
// one, so nobody who asks notices.
func TestNobodyIsRefusedWhileALeaderHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, 3, simNodeOf(8<<30, "ssd"), simNodeOf(8<<30, "ssd"), simNodeOf(8<<30, "ssd"))
		for range 3 {
			leader := c.leading()
			var askers sync.WaitGroup
			for _, n := range c.nodes {
				askers.Go(func() {
					for asked := 0; c.leading() == leader && !t.Failed(); asked++ {
						c.order(leader, api.UpdateNodeRequest{Name: n.id, LabelAdd: map[string]string{"asked": fmt.Sprint(asked)}})
					}
				})
				askers.Go(func() {
					for c.leading() == leader && !t.Failed() {
						c.rotateToken(leader)
					}
				})
			}
			c.order(leader, api.UpdateNodeRequest{Name: leader.id, Role: specs.Worker})
			askers.Wait()
			c.awaitLeader()
			c.order(c.leading(), api.UpdateNodeRequest{Name: leader.id, Role: specs.Manager})
			c.awaitManagers()
		}
	})
}

// rotateToken makes a new join token as a person does, who asks some manager.
func (c *simCluster) rotateToken(at *simNode) {
	c.Helper()
	client := wire.NewJSONClient(at.people.Dial)
	defer client.Close()
	if _, err := api.GetJoinToken.Call(c.Context(), client, api.JoinTokenRequest{Role: specs.Worker, Rotate: true}); err != nil {
		c.Errorf("%s was asked for a new join token: %v", at.id, err)
	}
}

// A manager whose certificate is not renewed is told of, and takes over from one whose
// disk is full all the same.
func TestWhatAManagerSuffersFromIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, 3, simNodeOf(8<<30, "ssd"), simNodeOf(8<<30, "ssd"), simNodeOf(8<<30, "ssd"))
		full := c.leading()
		var want []string
		for _, n := range c.nodes {
			n.ail("its certificate was not renewed yet")
			want = append(want, n.id+": its certificate was not renewed yet")
		}
		time.Sleep(time.Minute)
		c.wantTroubled(want)
		full.memory.Fill(true)
		time.Sleep(time.Minute)
		c.wantTroubled(want)
		if c.leading() == full {
			t.Error("it goes on to lead with its disk full")
		}
		full.memory.Fill(false)
		c.awaitManagers()
	})
}

// wantTroubled asks the leader for the status. Of a full disk it says more than want.
func (c *simCluster) wantTroubled(want []string) {
	c.Helper()
	client := wire.NewJSONClient(c.leading().people.Dial)
	defer client.Close()
	status, err := api.GetStatus.Call(c.Context(), client, api.Empty{})
	got := slices.DeleteFunc(status.Nodes.Troubled, func(line string) bool { return strings.Contains(line, "the disk is full") })
	if err != nil || !slices.Equal(got, want) {
		c.Errorf("the status tells %q, %v; want %q", status.Nodes.Troubled, err, want)
	}
}

// TestOfManagersThatAreToBeNoneTheOneThatCanGoGoesFirst: the others cannot do without
// the first while a third is down, and can do without the third.
func TestOfManagersThatAreToBeNoneTheOneThatCanGoGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, 3, simNodeOf(8<<30, "ssd"), simNodeOf(8<<30, "ssd"), simNodeOf(8<<30, "ssd"))
		leader := c.leading()
		others := slices.DeleteFunc(slices.Clone(c.nodes), func(n *simNode) bool { return n == leader })
		others[1].kill()
		time.Sleep(time.Minute)
		var tx specs.Transaction
		for _, n := range others {
			row, _ := c.snapshot().Node(n.id)
			tx = append(tx, specs.Change{NodeSpec: specs.Set(n.id, row.SpecVersion, specs.NodeSpec{Role: specs.Worker})})
		}
		if err := leader.managing().Propose(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		c.await("both vote no more", func(store.Snapshot) bool { return len(leader.managing().Managers()) == 1 })
	})
}
