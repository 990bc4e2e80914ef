package schema

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/swarmgit/swarmgit/specs"
)

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
		tree := fstest.MapFS{"stacks/it.yml": {Data: []byte(stack)}, "stacks/.env": {Data: []byte(env)}}
		result := Load(context.Background(), tree, Options{})
		for _, p := range append(result.Problems, result.Warnings...) {
			inside(t, tree, p)
		}
		if len(result.Problems) == 0 && len(result.Stacks) != 1 {
			t.Errorf("no problem and %d stacks", len(result.Stacks))
		}
		again := Load(context.Background(), tree, Options{})
		for i, s := range result.Stacks {
			for j, service := range s.Services {
				if service.Task != again.Stacks[i].Services[j].Task {
					t.Errorf("%s has another hash the second time", service.Name)
				}
			}
		}
	})
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
