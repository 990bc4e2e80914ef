package converge_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/specs"
)

func nodeNames(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("n%02d", i+1))
	}
	return names
}

func TestFindOutage(t *testing.T) {
	const period = 5 * time.Second
	for name, test := range map[string]struct {
		nodes  int
		period time.Duration // of the cluster's settings
		down   []int         // seconds at which the first nodes go down
		back   int           // of them, the first ones are back a second after the last went down
		asked  int           // the second in which is asked
		want   string
	}{
		"nothing":                     {nodes: 9, asked: 100},
		"a third is not enough":       {nodes: 9, down: []int{100, 101, 102}, asked: 102},
		"more than a third":           {nodes: 9, down: []int{100, 101, 102, 103}, asked: 103, want: "4 of 9 nodes until 163"},
		"two of four are too few":     {nodes: 4, down: []int{100, 100}, asked: 100},
		"three of four":               {nodes: 4, down: []int{100, 100, 100}, asked: 100, want: "3 of 4 nodes until 160"},
		"all of them":                 {nodes: 3, down: []int{100, 100, 100}, asked: 100, want: "3 of 3 nodes until 160"},
		"a period, to the second":     {nodes: 3, down: []int{100, 102, 105}, asked: 105, want: "3 of 3 nodes until 165"},
		"one after another":           {nodes: 3, down: []int{100, 103, 106}, asked: 106},
		"a longer period":             {nodes: 3, period: 10 * time.Second, down: []int{100, 103, 106}, asked: 106, want: "3 of 3 nodes until 166"},
		"just before it is over":      {nodes: 3, down: []int{100, 100, 100}, asked: 159, want: "3 of 3 nodes until 160"},
		"it is over":                  {nodes: 3, down: []int{100, 100, 100}, asked: 160},
		"a later one counts from new": {nodes: 9, down: []int{100, 100, 100, 100, 130, 130, 130}, asked: 130, want: "3 of 5 nodes until 190"},
		"one more is no other outage": {nodes: 9, down: []int{100, 100, 100, 100, 130}, asked: 130, want: "4 of 9 nodes until 160"},
		"dead ones are not counted":   {nodes: 12, down: []int{1, 1, 1, 1, 1, 1, 100, 100, 100}, asked: 100, want: "3 of 6 nodes until 160"},
		"those that are back count":   {nodes: 9, down: []int{100, 100, 100, 100}, back: 3, asked: 101, want: "4 of 9 nodes until 160"},
		"all are back":                {nodes: 9, down: []int{100, 100, 100, 100}, back: 4, asked: 101},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, nodeNames(test.nodes)...)
			start := c.now
			second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
			if test.period > 0 {
				c.apply(specs.Transaction{{Cluster: &specs.Cluster{Spec: specs.ClusterSettings{HeartbeatPeriod: specs.Duration(test.period)}}}})
			}
			for i, at := range test.down {
				c.now = second(at)
				c.node(nodeNames(i + 1)[i], down)
			}
			c.now = c.now.Add(time.Second)
			for _, id := range nodeNames(test.back) {
				c.node(id, ready)
			}
			got := ""
			if o, found := converge.FindOutage(c.store.Snapshot(), second(test.asked)); found {
				got = fmt.Sprintf("%d of %d nodes until %.0f", o.Lost, o.Nodes, o.Until.Sub(start).Seconds())
				if want := max(test.period, period); o.Within != want {
					t.Errorf("within %s, want %s", o.Within, want)
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAnOutageInWords(t *testing.T) {
	o := converge.Outage{Lost: 5, Nodes: 9, Within: 5 * time.Second, Until: time.Date(2026, 11, 23, 12, 1, 0, 0, time.UTC)}
	want := "5 of 9 nodes went down within 5s: tasks of nodes that are down are not replaced before 12:01:00 UTC"
	if got := o.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInAnOutageReplacementsWaitAMinute(t *testing.T) {
	c := newCluster(t, nodeNames(6)...)
	c.push("web", "v1", 6)
	c.push("agent", "v1", 0, global)
	c.live(10 * time.Second)
	for _, id := range nodeNames(3) {
		c.node(id, down)
	}
	c.live(59 * time.Second)
	for _, task := range append(c.tasks("web"), c.tasks("agent")...) {
		if !task.Wanted() || !task.Want.Since.Before(c.now.Add(-59*time.Second)) {
			t.Fatalf("%s on %s: %q, %q", task.Name(), task.Want.Node, c.ps("web"), c.ps("agent"))
		}
	}
	c.live(3 * time.Second)
	onReady := 0
	for _, task := range c.tasks("web") {
		if task.Wanted() && task.Want.Node > "n03" && task.Seen.State == specs.StateRunning {
			onReady++
		}
	}
	if onReady != 6 {
		t.Errorf("%d tasks run on the nodes that are left, want 6: %q", onReady, c.ps("web"))
	}
	if got := c.ps("agent")[0]; got != "n01 v1 running running" {
		t.Errorf("a global task of a lost node is %q", got)
	}
}

func TestNodesThatAreBackBeforeTheMinuteIsOverKeepTheirTasks(t *testing.T) {
	c := newCluster(t, nodeNames(6)...)
	c.push("web", "v1", 6)
	c.push("agent", "v1", 0, global)
	c.live(10 * time.Second)
	web, agent := c.ps("web"), c.ps("agent")
	for _, id := range nodeNames(5) {
		c.node(id, down)
	}
	for _, id := range nodeNames(5) { // one by one, which leaves less and less than a third
		c.live(5 * time.Second)
		c.node(id, ready)
	}
	c.live(5 * time.Minute)
	c.want("web", web...)
	c.want("agent", agent...)
	if due := c.agenda.Next(); !due.IsZero() {
		t.Errorf("at rest, but something is due in %s", due.Sub(c.now))
	}
}

func TestWhatTheOperatorTakesAwayDoesNotWaitForAnOutage(t *testing.T) {
	for name, change := range map[string]func(*cluster){
		"drained": func(c *cluster) { c.node("n01", drain) },
		"removed": func(c *cluster) { c.dismiss("n01") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, nodeNames(6)...)
			c.push("web", "v1", 6)
			c.live(10 * time.Second)
			for _, id := range nodeNames(4) {
				c.node(id, down)
			}
			c.settle()
			if got := len(c.tasks("web")); got != 6 {
				t.Fatalf("%d tasks before, want 6: %q", got, c.ps("web"))
			}
			change(c)
			c.settle()
			if got := len(c.tasks("web")); got != 7 {
				t.Errorf("%d tasks, want one more: %q", got, c.ps("web"))
			}
		})
	}
}

func TestNodesThatJoinMayEndAnOutage(t *testing.T) {
	c := newCluster(t, nodeNames(6)...)
	c.push("web", "v1", 6)
	c.push("agent", "v1", 0, global)
	c.live(10 * time.Second)
	for _, id := range nodeNames(3) {
		c.node(id, down)
	}
	c.settle()
	if got := len(c.tasks("web")); got != 6 {
		t.Fatalf("%d tasks in the outage, want 6: %q", got, c.ps("web"))
	}
	for _, id := range nodeNames(12)[6:] {
		c.node(id, nil)
	}
	c.settle()
	if got := len(c.tasks("web")); got != 9 {
		t.Errorf("%d tasks, want three more: %q", got, c.ps("web"))
	}
	if got := c.ps("agent")[0]; got != "n01 v1 running running" {
		t.Errorf("a global task of a lost node is %q", got)
	}
}

// Nobody waits for ever because of an outage, and every hold has its wake.
func TestAnOutageEndsByItself(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(3, 9).Draw(rt, "nodes")
		c := newCluster(t, nodeNames(n)...)
		c.node("spare", nil)
		c.push("web", "v1", uint64(n))
		c.live(10 * time.Second)
		last := c.now
		for range rapid.IntRange(1, 2*n).Draw(rt, "troubles") {
			id := rapid.SampledFrom(nodeNames(n)).Draw(rt, "node")
			c.node(id, rapid.SampledFrom([]func(*specs.NodeSpec, *specs.NodeSeen){down, down, down, ready}).Draw(rt, "change"))
			last = c.now
			c.live(time.Duration(rapid.IntRange(0, 8000).Draw(rt, "ms")) * time.Millisecond)
		}
		c.live(last.Add(70 * time.Second).Sub(c.now))
		for _, task := range c.tasks("web") {
			if node, _ := c.store.Snapshot().Node(task.Want.Node); task.Wanted() && node.Seen.Status == specs.NodeDown {
				rt.Fatalf("%s is still wanted on %s", task.Name(), node.ID)
			}
		}
	})
}
