package scheduler

import (
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

func TestScenario28PlaceOnAsksForOneNode(t *testing.T) {
	c := newCluster("full", "free", "drained drain", "paused pause", "lost down")
	c.add(reserving("db", 0, 8*gib), "full")
	for node, want := range map[string]string{
		"free":    "",
		"full":    "no suitable node (insufficient memory on 1 node)",
		"drained": "no suitable node (1 node drained)",
		"paused":  "no suitable node (1 node paused)",
		"lost":    "no suitable node (1 node down)",
		"gone":    "no suitable node (no such node)",
	} {
		if got := c.PlaceOn(node, reserving("agent", 0, gib)); got != want {
			t.Errorf("%s: got %q, want %q", node, got, want)
		}
	}
	c.end(0)
	if got := c.PlaceOn("full", reserving("agent", 0, gib)); got != "" {
		t.Errorf("after the end of the only task: %s", got)
	}
	want := "no suitable node (node.labels.zone==b not met on 1 node)"
	if got := c.PlaceOn("free", request("agent", "node.labels.zone == b")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The next task of a node is placed while the one before is still stopping.
func TestPlaceOnKnowsNoMaxReplicas(t *testing.T) {
	c := newCluster("a")
	agent := request("agent")
	agent.Rules.MaxReplicas = 1
	c.add(agent, "a")
	if got := c.PlaceOn("a", agent); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestSuits(t *testing.T) {
	node := readyNode("a zone=b drain")
	for name, test := range map[string]struct {
		runtime     string
		constraints []string
		want        bool
	}{
		"nothing is demanded, though it is shut": {"", nil, true},
		"all constraints are met":                {"", []string{"node.labels.zone == b", "node.id == a"}, true},
		"one is not":                             {"", []string{"node.labels.zone == b", "node.id == c"}, false},
		"one that nobody can read":               {"", []string{"zone"}, false},
		"a runtime that it has not":              {"process", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			suits := Suits(specs.TaskSpec{Runtime: test.runtime}, specs.Placement{Constraints: test.constraints})
			if got := suits(&node); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
