package orchestrator

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

// numbered makes slots 1, 2, ... with running tasks on the nodes; a node in
// capitals has a task that does not run.
func numbered(nodes ...string) []Slot {
	var slots []Slot
	for i, node := range nodes {
		slots = append(slots, Slot{numbers(uint64(i + 1))[0], strings.ToLower(node), node == strings.ToLower(node)})
	}
	return slots
}

func numbers(of ...uint64) []specs.SlotID {
	var ids []specs.SlotID
	for _, number := range of {
		ids = append(ids, specs.SlotID{Number: number})
	}
	return ids
}

func onNodes(nodes ...string) []specs.SlotID {
	var ids []specs.SlotID
	for _, node := range nodes {
		ids = append(ids, specs.SlotID{Node: node})
	}
	return ids
}

func TestReplicatedAdds(t *testing.T) {
	for name, test := range map[string]struct {
		have   []uint64
		wanted uint64
		limit  int
		want   []specs.SlotID
	}{
		"nothing yet":           {nil, 3, 100, numbers(1, 2, 3)},
		"a gap is filled first": {[]uint64{1, 3}, 4, 100, numbers(2, 4)},
		"enough":                {[]uint64{2, 5}, 2, 100, nil},
		"too many":              {[]uint64{1, 2, 3}, 1, 100, nil},
		"zero replicas":         {nil, 0, 100, nil},
		"no more than limit":    {nil, 1 << 60, 2, numbers(1, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			var slots []Slot
			for _, id := range numbers(test.have...) {
				slots = append(slots, Slot{ID: id})
			}
			add, _ := Replicated(slots, test.wanted, test.limit)
			if diff := cmp.Diff(test.want, add); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReplicatedTakesAway(t *testing.T) {
	for name, test := range map[string]struct {
		slots  []Slot
		wanted uint64
		want   []specs.SlotID
	}{
		"scenario 2: 6 to 2 over nodes with 3, 2, 1":  {numbered("a", "a", "a", "b", "b", "c"), 2, numbers(2, 3, 5, 6)},
		"6 to 3 leaves one on each node":              {numbered("a", "a", "a", "b", "b", "c"), 3, numbers(2, 3, 5)},
		"scenario 2: those that do not run go first":  {numbered("A", "b", "b", "C"), 2, numbers(1, 4)},
		"those that stay count before those that go":  {numbered("a", "A", "b", "b"), 3, numbers(2)},
		"of equals the highest number goes":           {numbered("a", "b", "c"), 1, numbers(2, 3)},
		"to zero":                                     {numbered("a", "B"), 0, numbers(1, 2)},
		"enough":                                      {numbered("a"), 1, nil},
		"the slots of nodes, when it was global once": {[]Slot{{ID: specs.SlotID{Node: "a"}, Running: true}}, 1, onNodes("a")},
	} {
		t.Run(name, func(t *testing.T) {
			_, gone := Replicated(test.slots, test.wanted, 100)
			if diff := cmp.Diff(test.want, gone); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGlobal(t *testing.T) {
	one := []Slot{{ID: specs.SlotID{Node: "a"}, Node: "a", Running: true}}
	for name, test := range map[string]struct {
		slots     []Slot
		nodes     []Node
		limit     int
		add, gone []specs.SlotID
	}{
		"scenario 3: one for each node":         {nil, []Node{{"a", true}, {"b", true}}, 100, onNodes("a", "b"), nil},
		"scenario 3: a node joins":              {one, []Node{{"a", true}, {"b", true}}, 100, onNodes("b"), nil},
		"scenario 3: a node that takes none":    {one, []Node{{"a", true}, {"b", false}}, 100, nil, nil},
		"a node that takes none keeps its slot": {one, []Node{{"a", false}}, 100, nil, nil},
		"a node that is gone":                   {one, nil, 100, nil, onNodes("a")},
		"numbers, when it was replicated once":  {numbered("a", "b"), []Node{{"a", true}}, 100, onNodes("a"), numbers(1, 2)},
		"no more than limit":                    {nil, []Node{{"a", true}, {"b", true}, {"c", true}}, 2, onNodes("a", "b"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			add, gone := Global(test.slots, test.nodes, test.limit)
			if diff := cmp.Diff([][]specs.SlotID{test.add, test.gone}, [][]specs.SlotID{add, gone}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsLeftRunningIsAsEvenAsItCanBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 20).Draw(t, "nodes")
		slots := numbered(nodes...)
		wanted := rapid.Uint64Range(0, uint64(len(slots))).Draw(t, "wanted")
		_, gone := Replicated(slots, wanted, 0)
		if uint64(len(slots)-len(gone)) != wanted {
			t.Fatalf("%d of %d slots go, %d are wanted", len(gone), len(slots), wanted)
		}
		before, after := map[string]int{}, map[string]int{}
		for _, slot := range slots {
			before[slot.Node]++
			if !slices.Contains(gone, slot.ID) {
				after[slot.Node]++
			}
		}
		for node := range before {
			for other := range before {
				if after[node] < before[node] && after[other] > after[node]+1 {
					t.Fatalf("node %s gave a task away and has %d, %s has %d", node, after[node], other, after[other])
				}
			}
		}
	})
}
