package orchestrator

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMissing(t *testing.T) {
	for name, test := range map[string]struct {
		have   []uint64
		wanted uint64
		limit  int
		want   []uint64
	}{
		"nothing yet":           {nil, 3, 100, []uint64{1, 2, 3}},
		"a gap is filled first": {[]uint64{1, 3}, 4, 100, []uint64{2, 4}},
		"enough":                {[]uint64{2, 5}, 2, 100, nil},
		"too many":              {[]uint64{1, 2, 3}, 1, 100, nil},
		"zero replicas":         {nil, 0, 100, nil},
		"no more than limit":    {nil, 1 << 60, 2, []uint64{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Missing(test.have, test.wanted, test.limit)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExcess(t *testing.T) {
	for name, test := range map[string]struct {
		slots  []Slot
		wanted uint64
		want   []uint64
	}{
		"scenario 2: 6 to 2 over nodes with 3, 2, 1": {
			[]Slot{{1, "a", true}, {2, "a", true}, {3, "a", true}, {4, "b", true}, {5, "b", true}, {6, "c", true}},
			2, []uint64{2, 3, 5, 6},
		},
		"6 to 3 leaves one on each node": {
			[]Slot{{1, "a", true}, {2, "a", true}, {3, "a", true}, {4, "b", true}, {5, "b", true}, {6, "c", true}},
			3, []uint64{2, 3, 5},
		},
		"scenario 2: those that do not run go first": {
			[]Slot{{1, "a", false}, {2, "b", true}, {3, "b", true}, {4, "", false}},
			2, []uint64{1, 4},
		},
		"those that stay count before those that go": {
			[]Slot{{1, "a", true}, {2, "a", false}, {3, "b", true}, {4, "b", true}},
			3, []uint64{2},
		},
		"of equals the highest number goes": {
			[]Slot{{1, "a", true}, {2, "b", true}, {3, "c", true}},
			1, []uint64{2, 3},
		},
		"to zero": {[]Slot{{1, "a", true}, {2, "", false}}, 0, []uint64{1, 2}},
		"enough":  {[]Slot{{1, "a", true}}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Excess(test.slots, test.wanted)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsLeftRunningIsAsEvenAsItCanBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 20).Draw(t, "nodes")
		var slots []Slot
		for i, node := range nodes {
			slots = append(slots, Slot{Number: uint64(i + 1), Node: node, Running: true})
		}
		wanted := rapid.Uint64Range(0, uint64(len(slots))).Draw(t, "wanted")
		gone := Excess(slots, wanted)
		if uint64(len(slots)-len(gone)) != wanted {
			t.Fatalf("%d of %d slots go, %d are wanted", len(gone), len(slots), wanted)
		}
		before, after := map[string]int{}, map[string]int{}
		for _, slot := range slots {
			before[slot.Node]++
			if !slices.Contains(gone, slot.Number) {
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
