package wire_test

import (
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestCarriedHoldsASpecWhileATaskNamesIt(t *testing.T) {
	var c wire.Carried
	set := func(task string, spec specs.Hash) wire.Assignment { return wire.Assignment{TaskID: task, Spec: spec} }
	for _, step := range []struct {
		name    string
		message wire.Assignments
		holds   map[specs.Hash]bool
	}{
		{"full", wire.Assignments{Full: true, Specs: map[specs.Hash]specs.TaskSpec{"a": {Image: "a"}}, Set: []wire.Assignment{set("1", "a")}},
			map[specs.Hash]bool{"a": true, "b": false}},
		{"a second task of it", wire.Assignments{Set: []wire.Assignment{set("2", "a")}}, map[specs.Hash]bool{"a": true}},
		{"a task is told of again", wire.Assignments{Set: []wire.Assignment{set("2", "a")}}, map[specs.Hash]bool{"a": true}},
		{"one gone", wire.Assignments{Remove: []string{"1"}}, map[specs.Hash]bool{"a": true}},
		{"gone twice", wire.Assignments{Remove: []string{"1"}}, map[specs.Hash]bool{"a": true}},
		{"the last one gone", wire.Assignments{Remove: []string{"2"}}, map[specs.Hash]bool{"a": false}},
		{"again", wire.Assignments{Specs: map[specs.Hash]specs.TaskSpec{"a": {Image: "a"}}, Set: []wire.Assignment{set("3", "a")}},
			map[specs.Hash]bool{"a": true}},
	} {
		c.Take(step.message)
		for h, want := range step.holds {
			if spec, held := c.Spec(h); held != want || held && spec.Image != string(h) {
				t.Errorf("%s: %s held: %v", step.name, h, held)
			}
		}
	}
}
