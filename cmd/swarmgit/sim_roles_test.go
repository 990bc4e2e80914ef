package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
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
