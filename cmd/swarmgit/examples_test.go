package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/examples"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/secrets"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
)

// exampleNames are the repositories of examples/.
func exampleNames(t *testing.T) (names []string) {
	t.Helper()
	found, err := os.ReadDir(exampleDir(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

func exampleDir(name string) string { return filepath.Join("..", "..", "examples", name) }

// environmentsOf are the folders of a repository that a source can have as its
// path: the root, and those with a swarmgit.yaml.
func environmentsOf(t *testing.T, repository fs.FS) []string {
	t.Helper()
	lists, err := fs.Glob(repository, "*/swarmgit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"."}
	for _, list := range lists {
		paths = append(paths, path.Dir(list))
	}
	return paths
}

// Every example is what it wants to be: a repository that a new cluster of one
// ordinary node takes as it is, without a warning, and can place. It says in a
// few lines what it is.
func TestExamplesArePlannedSafe(t *testing.T) {
	count := 0
	for _, name := range exampleNames(t) {
		repository := os.DirFS(exampleDir(name))
		if words, err := fs.ReadFile(repository, "README.md"); err != nil || !strings.HasPrefix(string(words), "# ") {
			t.Errorf("%s has no README.md: %v", name, err)
		}
		count++
		for _, in := range environmentsOf(t, repository) {
			t.Run(path.Join(name, in), func(t *testing.T) { wantSafe(t, repository, in) })
		}
	}
	if count < 6 {
		t.Errorf("only %d examples", count)
	}
	for name, embedded := range map[string]fs.FS{"demo": examples.Demo, "process": examples.Process} {
		t.Run(name+" embedded for the demo", func(t *testing.T) {
			repository, err := fs.Sub(embedded, name)
			if err != nil {
				t.Fatal(err)
			}
			wantSafe(t, repository, "")
		})
	}
}

func wantSafe(t *testing.T, repository fs.FS, in string) {
	t.Helper()
	loaded := schema.Load(t.Context(), repository, schema.Options{Path: in})
	for _, p := range append(loaded.Problems, loaded.Warnings...) {
		t.Errorf("%s", p)
	}
	if len(loaded.Stacks) == 0 {
		t.Fatal("it has no stacks")
	}
	present := oneNode(t, loaded.Stacks)
	wanted, unknown := secrets.Resolve(present, loaded.Stacks)
	for _, p := range unknown {
		t.Errorf("%s", p)
	}
	plan, _ := planner.Propose(planner.Input{Present: present, Source: specs.MainSource, Wanted: wanted, Warnings: loaded.Warnings, Now: noon})
	tasks := 0
	for _, stack := range loaded.Stacks {
		for _, service := range stack.Services {
			if len(service.Placement.Constraints) == 0 { // which no ordinary node meets
				tasks += int(service.WantedReplicas())
			}
		}
	}
	if plan.Verdict != planner.Safe || plan.Totals != (planner.Totals{Start: tasks}) {
		t.Errorf("%s, %s; want %d to start", plan.Verdict, plan.Totals, tasks)
		_ = plan.Text(t.Output(), planner.TextOptions{})
	}
}

// oneNode is a cluster that has what the stacks call external.
func oneNode(t *testing.T, stacks []specs.Stack) store.Snapshot {
	t.Helper()
	st := store.New()
	node := specs.Node{ID: "n1", Created: noon.Add(-time.Hour), Spec: specs.NodeSpec{Role: specs.Manager}, Seen: specs.NodeSeen{
		Status: specs.NodeReady, Description: specs.NodeDescription{
			Hostname: "n1", OS: "linux", Arch: "amd64", Resources: specs.Resources{CPUs: 2e9, Memory: 4 << 30}, Runtimes: []string{specs.RuntimeContainer, specs.RuntimeProcess},
		},
	}}
	cluster := specs.Cluster{ID: "c", Name: "test", Key: []byte("key")}
	tx := specs.Transaction{{Cluster: &cluster}, {Node: specs.Insert("n1", node)}}
	for _, stack := range stacks {
		for _, f := range stack.Files {
			if f.External {
				payload := secrets.KeysOf(cluster).Payload(f.Kind, []byte(f.Name))
				row := specs.External{Kind: f.Kind, Name: f.Name, Payload: payload.Version}
				tx = append(tx, specs.Change{Payload: &payload}, specs.Change{External: specs.Insert(specs.ExternalID(f.Kind, f.Name), row)})
			}
		}
	}
	if errs := st.Apply(1, []specs.Transaction{tx}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	return st.Snapshot()
}
