package planner

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A comparison of two trees says of every service what a plan says of a cluster
// that is what the first asks for: what changes, in which fields, and what it
// does to the tasks.
func TestAComparisonIsThePlanWithoutACluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, old := someWorld(t, false)
		next := someStacks(false).Draw(t, "next")
		type told struct {
			Action Action
			Fields []Field
		}
		planned, compared := make(map[string]told), make(map[string]told)
		for _, e := range w.plan(next...).Services {
			planned[e.Service] = told{e.Action, e.Fields}
		}
		for _, e := range Compare(old, next, w.snap.Cluster().Key).Services {
			compared[e.Service] = told{e.Action, e.Fields}
		}
		if diff := cmp.Diff(planned, compared); diff != "" {
			t.Fatalf("-planned +compared:\n%s", diff)
		}
	})
}
