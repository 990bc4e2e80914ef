package planner

import (
	"fmt"
	"testing"
)

func TestWhereAGlobalServiceIsExpected(t *testing.T) {
	for name, test := range map[string]struct {
		nodes int
		batch int // nodes in one
		want  string
	}{
		"none":               {0, 1, ""},
		"together":           {3, 3, "n1 n2 n3"},
		"one after another":  {3, 1, "n1 | n2 | n3"},
		"two at a time":      {5, 2, "n1 n2 | n3 n4 | n5"},
		"as many as are few": {8, 8, "n1 n2 n3 n4 n5 n6 n7 n8"},
		"many":               {12, 12, "n1 n2 n3 n4 n5 n6 n7 and 5 more nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			e := Entry{Global: true}
			for i := range test.nodes {
				e.Expected = append(e.Expected, Placement{Node: fmt.Sprintf("n%d", i+1), Batch: i / test.batch})
			}
			if got := e.expected(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatWaits(t *testing.T) {
	for name, test := range map[string]struct {
		waiting Waiting
		all     bool
		want    string
	}{
		"all":            {Waiting{Nodes: []string{"n1"}, Reason: "full"}, true, "full"},
		"some slots":     {Waiting{Slots: []uint64{2, 3}, Reason: "full"}, false, ".2 .3: full"},
		"some nodes":     {Waiting{Nodes: []string{"n1", "n2"}, Reason: "full"}, false, "n1 n2: full"},
		"on many nodes":  {Waiting{Nodes: make([]string, 9), Reason: "full"}, false, "9 tasks: full"},
		"in many slots":  {Waiting{Slots: make([]uint64, 9), Reason: "full"}, false, "9 tasks: full"},
		"a single place": {Waiting{Slots: []uint64{1}, Reason: "full"}, false, ".1: full"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.waiting.text(test.all); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
