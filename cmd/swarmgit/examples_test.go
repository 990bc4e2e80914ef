package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/examples"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
)

// Every example is what it wants to be: a repository that a new cluster of one
// ordinary node takes as it is, without a warning, and can place.
func TestExamplesArePlannedSafe(t *testing.T) {
	found, err := os.ReadDir(filepath.Join("..", "..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, entry := range found {
		if entry.IsDir() {
			count++
			t.Run(entry.Name(), func(t *testing.T) {
				wantSafe(t, os.DirFS(filepath.Join("..", "..", "examples", entry.Name())))
			})
		}
	}
	if count == 0 {
		t.Error("no examples")
	}
	t.Run("embedded for the demo", func(t *testing.T) {
		demo, err := fs.Sub(examples.Demo, "demo")
		if err != nil {
			t.Fatal(err)
		}
		wantSafe(t, demo)
	})
}

func wantSafe(t *testing.T, repository fs.FS) {
	t.Helper()
	loaded := schema.Load(t.Context(), repository, schema.Options{})
	for _, p := range append(loaded.Problems, loaded.Warnings...) {
		t.Errorf("%s", p)
	}
	if len(loaded.Stacks) == 0 {
		t.Fatal("it has no stacks")
	}
	plan := planner.Make(planner.Input{Present: oneNode(t), Source: specs.MainSource, Wanted: loaded.Stacks, Warnings: loaded.Warnings, Now: noon})
	tasks := 0
	for _, stack := range loaded.Stacks {
		for _, service := range stack.Services {
			tasks += int(service.WantedReplicas())
		}
	}
	if plan.Verdict != planner.Safe || plan.Totals != (planner.Totals{Start: tasks}) {
		t.Errorf("%s, %s; want %d to start", plan.Verdict, plan.Totals, tasks)
		_ = plan.Text(t.Output(), planner.TextOptions{})
	}
}

func oneNode(t *testing.T) store.Snapshot {
	t.Helper()
	st := store.New()
	node := specs.Node{ID: "n1", Created: noon.Add(-time.Hour), Spec: specs.NodeSpec{Role: specs.Manager}, Seen: specs.NodeSeen{
		Status: specs.NodeReady, Description: specs.NodeDescription{
			Hostname: "n1", OS: "linux", Arch: "amd64", Resources: specs.Resources{CPUs: 2e9, Memory: 4 << 30}, Runtimes: []string{""},
		},
	}}
	cluster := specs.Cluster{ID: "c", Name: "test", Key: []byte("key")}
	if errs := st.Apply(1, []specs.Transaction{{{Cluster: &cluster}, {Node: specs.Insert("n1", node)}}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	return st.Snapshot()
}
