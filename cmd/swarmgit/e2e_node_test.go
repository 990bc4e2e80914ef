package main

import (
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

// A drain of the only node stops everything, says what it waits for, and is over
// once the node is active again.
func TestDrainOfTheOnlyNode(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	t.Cleanup(func() {
		if _, err := ask(c, api.UpdateNode.Call, api.UpdateNodeRequest{Name: "self", Availability: specs.Active}); err != nil {
			t.Error(err) // the tests after this one need the node
		}
	})
	out, errs, code := c.swarmgit("node", "update", "--availability", "drain", "self")
	if code != 0 {
		t.Fatalf("exits %d: %s%s", code, out, errs)
	}
	wantWords(t, out, "of 2 tasks moved", "the node is empty; shop_web.1 pending: no suitable node", "and 1 other")
	if left := c.running(t); len(left) > 0 {
		t.Errorf("%d tasks run on an empty node", len(left))
	}
	out, _, _ = c.swarmgit("node", "ls")
	wantWords(t, out, "Drain")
	out, _, _ = c.swarmgit("status")
	wantWords(t, out, "shop_web.1 and 1 other pending", "degraded")

	if out, errs, code = c.swarmgit("node", "update", "--availability", "active", "self"); code != 0 {
		t.Fatalf("exits %d: %s%s", code, out, errs)
	}
	c.await(t, "the tasks to be back", func() bool { return len(c.running(t)) == 2 })
}
