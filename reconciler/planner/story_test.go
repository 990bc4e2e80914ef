package planner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

// TestStory holds one real plan, from stacks to both of its forms. The JSON file
// is the documentation by example of what `-o json` prints.
func TestStory(t *testing.T) {
	w := newWorld(t, 3)
	web := []option{replicas(3), env("LOG_LEVEL=info"), env("API_KEY=one"), parallelism(2)}
	w.push(
		stack("shop", svc("web", web...), svc("api", replicas(2))),
		stack("old", svc("cron", replicas(2))),
	)
	in := w.input(stack("shop",
		svc("web", replicas(5), env("LOG_LEVEL=debug"), env("API_KEY=two"), parallelism(2)),
		svc("api", replicas(2), label("team", "core")),
		svc("report", memory(8<<30)),
	))
	in.Title = "of the working tree (2 files differ from 7bd31c2)"
	in.Warnings = []specs.Problem{{
		Position: specs.Position{File: "stacks/shop/stack.yml", Line: 16, Column: 5}, Path: "services.api.restart",
		Message: "ignored, because deploy.restart_policy is set",
	}}
	p := Make(in)
	golden(t, "story.txt", render(t, p, TextOptions{}))
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "story.json", string(data)+"\n")
}

// The report of a cluster that is busy with a removal when it is asked.
func TestRemovalUnderWay(t *testing.T) {
	w := newWorld(t, 2)
	w.push(stack("shop", svc("web", replicas(2))))
	tx, _ := Changes(w.snap, specs.MainSource, "2", nil, w.newID, w.now)
	w.apply(tx)
	w.now = w.now.Add(time.Second)
	p := w.plan()
	if p.Verdict != NoChanges || p.Totals != (Totals{Stop: 2}) || len(p.Moved) != 1 || p.Moved[0].headline() != "removed with its 2 tasks" {
		t.Errorf("%s: %s, moved %+v", p.Verdict, p.Totals, p.Moved)
	}
}

// golden compares with a file of testdata, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: make it with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
