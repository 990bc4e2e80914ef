package main

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// exampleFiles are the files of an example, with the images of the tests.
func exampleFiles(t *testing.T, name string) map[string]string {
	t.Helper()
	files, repository := map[string]string{}, os.DirFS(exampleDir(name))
	images := strings.NewReplacer("demo/web:1.0", "e2e/app:1", "demo/web", "e2e/app", `TAG: "1.0"`, `TAG: "1"`, `TAG: "1.1"`, `TAG: "2"`, "TAG:-1.0", "TAG:-1")
	err := fs.WalkDir(repository, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(repository, name)
		files[name] = images.Replace(string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Every example runs, in each of its environments; the one with secrets has a
// test of its own.
func TestExamplesRun(t *testing.T) {
	c := theCluster(t)
	t.Cleanup(func() { c.mustSwarmgit(t, "cluster", "update", "--path", "") }) // if it ends early
	running := map[string]string{                                              // by example and path: what runs
		"agents":               "agents_watch",
		"demo":                 "shop_web.1 shop_web.2 shop_web.3",
		"environments":         "shop_web.1",
		"environments/prod":    "shop_report.1 shop_web.1 shop_web.2 shop_web.3",
		"environments/staging": "shop_web.1",
		"process":              "shop_web.1 shop_web.2 shop_web.3",
		"pull-request":         "shop_web.1 shop_web.2",
	}
	image := map[string]string{"environments/staging": "e2e/app:2", "process": ""}
	for _, name := range exampleNames(t) {
		if name == "secrets-and-configs" {
			continue
		}
		files := exampleFiles(t, name)
		for _, in := range environmentsOf(t, os.DirFS(exampleDir(name))) {
			at := path.Join(name, in)
			t.Run(at, func(t *testing.T) {
				c.mustSwarmgit(t, "cluster", "update", "--path", in)
				wantWords(t, c.push(t, files, "-o", "allow-removal"), "healthy:")
				var names []string
				for _, task := range c.running(t) {
					names = append(names, strings.TrimSuffix(task.Name, "."+task.SlotNode))
					want, other := image[at]
					if !other {
						want = "e2e/app:1"
					}
					if task.State != specs.StateRunning || task.Image != want {
						t.Errorf("%s is %s with %q, want %q", task.Name, task.State, task.Image, want)
					}
				}
				if got := strings.Join(names, " "); got != running[at] {
					t.Errorf("%s run, want %s", got, running[at])
				}
				wantWords(t, c.mustSwarmgit(t, "plan"), "NO CHANGES")
			})
		}
		c.mustSwarmgit(t, "cluster", "update", "--path", "")
		c.push(t, map[string]string{"stacks": ""}, "-o", "allow-removal")
	}
}

// mustSwarmgit runs the command line, which must go well.
func (c *realCluster) mustSwarmgit(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := c.swarmgit(args...)
	if code != 0 {
		t.Fatalf("swarmgit %s exits %d: %s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}
