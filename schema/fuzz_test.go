package schema

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/swarmgit/swarmgit/specs"
)

// Coverage differs from run to run here, so that to make inputs smaller takes all
// the time: fuzz with -fuzzminimizetime 1x.

// FuzzLoad: whatever a stack file holds, Load comes back, what it says stands
// inside of the file, and a stack without problems gives the same specs again.
func FuzzLoad(f *testing.F) {
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".yml") {
				f.Add(string(file.Data), "A=1\nB=${A}")
			}
		}
	}
	real, _ := filepath.Glob(filepath.Join(corpus, "*.yml"))
	for _, name := range real {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "")
	}
	f.Fuzz(func(t *testing.T, stack, env string) {
		check(t, fstest.MapFS{"stacks/it.yml": {Data: []byte(stack)}, "stacks/.env": {Data: []byte(env)}})
	})
}

// FuzzMerge is FuzzLoad with a file over another one, which may be the same.
func FuzzMerge(f *testing.F) {
	const web = "services:\n  web:\n    image: nginx\n"
	for _, over := range []string{
		web, web + "    ports: [80]\n", web + "    volumes: [a:/a, /b]\n    tmpfs: /a\n", "networks: {a: }\n" + web + "    networks: [a]\n",
		web + "    environment: [A=1, B]\n    deploy: {replicas: 3, labels: [a]}\n", "secrets: {a: {external: true}}\n" + web + "    secrets: [a]\n",
		web + "    command: x\n    ulimits: {nofile: 1}\n    logging: {}\n", "services: {Web: {image: a}, web: {build: ., healthcheck: {test: x}}}",
	} {
		f.Add(web+"    environment: {A: 2}\n    volumes: [{type: tmpfs, target: /b}]\n    ulimits: {nofile: {soft: 1, hard: 2}}\n", over)
		f.Add(over, over)
	}
	f.Fuzz(func(t *testing.T, base, over string) {
		check(t, fstest.MapFS{
			"swarmgit.yaml": {Data: []byte("stacks: {it: {files: [a.yml, b.yml]}}")},
			"a.yml":         {Data: []byte(base)}, "b.yml": {Data: []byte(over)},
		})
	})
}

func check(t *testing.T, tree fstest.MapFS) {
	t.Helper()
	result := Load(context.Background(), tree, Options{})
	for _, p := range append(result.Problems, result.Warnings...) {
		inside(t, tree, p)
	}
	if len(result.Problems) == 0 && len(result.Stacks) != 1 {
		t.Errorf("no problem and %d stacks", len(result.Stacks))
	}
	again := Load(context.Background(), tree, Options{})
	if diff := cmp.Diff(result, again); diff != "" {
		t.Errorf("the second time it is something else:\n%s", diff)
	}
}

func inside(t *testing.T, tree fstest.MapFS, p specs.Problem) {
	t.Helper()
	file, ok := tree[p.File]
	if !ok {
		t.Fatalf("%s: no such file", p)
	}
	if p.Message == "" || strings.Contains(p.Message, "\n") {
		t.Errorf("%q is not one line", p.Message)
	}
	if p.Line == 0 {
		return
	}
	lines := strings.Split(string(file.Data), "\n")
	if p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
		t.Errorf("%s: outside of the file", p)
	}
}
