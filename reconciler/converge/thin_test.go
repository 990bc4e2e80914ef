package converge_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScenario1CreateScaleRemove(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.push("web", "v1", 2)
	c.settle()
	if diff := cmp.Diff([]string{"1 v1 running running", "2 v1 running running"}, c.ps("web")); diff != "" {
		t.Fatal(diff)
	}
}
