package converge_test

import (
	"fmt"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/specs"
)

func thousandNodes(b *testing.B) *cluster {
	var nodes []string
	for i := range 1000 {
		nodes = append(nodes, fmt.Sprintf("n%04d", i))
	}
	return newCluster(b, nodes...)
}

// BenchmarkPass measures one pass on 1,000 nodes.
func BenchmarkPass(b *testing.B) {
	b.Run("create 10000 tasks of one service", func(b *testing.B) {
		c := thousandNodes(b)
		c.push("web", "v1", 10_000)
		measure(b, c, true)
	})
	b.Run("one rollout step among 10000 tasks", func(b *testing.B) {
		c := thousandNodes(b)
		c.push("web", "v1", 10_000)
		for c.pass() || c.work() {
		}
		c.push("web", "v2", 10_000, parallel(10))
		measure(b, c, true)
	})
	b.Run("nothing to do among 10000 tasks", func(b *testing.B) {
		c := thousandNodes(b)
		c.push("web", "v1", 10_000)
		for c.pass() || c.work() {
		}
		measure(b, c, false)
	})
	b.Run("nothing to do for 1000 services of 10", func(b *testing.B) {
		c := thousandNodes(b)
		for i := range 1000 {
			c.push(fmt.Sprintf("web%d", i), "v1", 10)
		}
		for c.pass() || c.work() {
		}
		measure(b, c, false)
	})
	b.Run("create 1000 services of 10", func(b *testing.B) {
		c := thousandNodes(b)
		for i := range 1000 {
			c.push(fmt.Sprintf("web%d", i), "v1", 10)
		}
		measure(b, c, true)
	})
	b.Run("create a global service on 1000 nodes", func(b *testing.B) {
		c := thousandNodes(b)
		c.agent("v1", place(specs.Placement{Constraints: []string{"node.role == worker"}}))
		measure(b, c, true)
	})
	b.Run("a node joins 1000 services and 10 global ones", func(b *testing.B) {
		c := thousandNodes(b)
		for i := range 1000 {
			c.push(fmt.Sprintf("web%d", i), "v1", 10)
		}
		for i := range 10 {
			c.push(fmt.Sprintf("agent%d", i), "v1", 0, global)
		}
		for c.pass() || c.work() {
		}
		c.node("joins", nil)
		snap, touched := c.feed.Take()
		before := c.held
		c.follow(snap, touched)
		for b.Loop() {
			if got := converge.Pass(c.input(converge.Touches(before, snap, touched))); len(got.Transactions) != 10 {
				b.Fatalf("decides %d transactions", len(got.Transactions))
			}
		}
	})
	b.Run("one of 1000 services changed", func(b *testing.B) {
		c := thousandNodes(b)
		for i := range 1000 {
			c.push(fmt.Sprintf("web%d", i), "v1", 10)
		}
		for c.pass() || c.work() {
		}
		c.push("web7", "v2", 10)
		snap, touched := c.feed.Take()
		dirty := converge.Touches(c.held, snap, touched)
		c.follow(snap, touched)
		for b.Loop() {
			if converge.Pass(c.input(dirty)).Transactions == nil {
				b.Fatal("nothing was decided")
			}
		}
	})
}

// measure runs a pass over everything again and again.
func measure(b *testing.B, c *cluster, decides bool) {
	snap, touched := c.feed.Take()
	c.follow(snap, touched)
	for b.Loop() {
		if got := converge.Pass(c.input(converge.Dirty{All: true})); (len(got.Transactions) > 0) != decides {
			b.Fatalf("decides %d transactions", len(got.Transactions))
		}
	}
}
