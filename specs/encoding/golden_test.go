package encoding

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// The hashes of specs that a release has stored. They must never change: a
// changed hash restarts every task of every cluster at an upgrade. -update adds
// the hashes of new specs and leaves those that are there.
var update = flag.Bool("update", false, "add missing hashes to "+goldenFile)

const goldenFile = "testdata/taskspecs.json"

type golden struct {
	Name string         `json:"name"`
	Spec specs.TaskSpec `json:"spec"`
	Hash specs.Hash     `json:"hash,omitempty"`
}

func TestGoldenHashes(t *testing.T) {
	cases := readGolden(t)
	for i, c := range cases {
		if c.Hash == "" && *update {
			cases[i].Hash = HashTaskSpec(c.Spec)
			continue
		}
		if got := HashTaskSpec(c.Spec); got != c.Hash {
			t.Errorf("%s hashes to %s, and was stored as %s", c.Name, got, c.Hash)
		}
	}
	if *update {
		writeGolden(t, cases)
	}
}

// TestEveryFieldHasAGoldenHash fails for a new field until the spec "every
// field" of a new golden case sets it. Do not add it to an old case.
func TestEveryFieldHasAGoldenHash(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range readGolden(t) {
		markFields(reflect.ValueOf(c.Spec), "", seen)
	}
	for _, path := range fieldPaths(reflect.TypeFor[specs.TaskSpec](), "") {
		if !seen[path] {
			t.Errorf("no golden spec sets %s", path)
		}
	}
}

func markFields(v reflect.Value, prefix string, seen map[string]bool) {
	for field, value := range v.Fields() {
		path := prefix + field.Name
		seen[path] = seen[path] || !value.IsZero()
		switch {
		case value.Kind() == reflect.Struct:
			markFields(value, path+".", seen)
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct:
			for i := range value.Len() {
				markFields(value.Index(i), path+".", seen)
			}
		}
	}
}

func fieldPaths(t reflect.Type, prefix string) (paths []string) {
	for field := range t.Fields() {
		paths = append(paths, prefix+field.Name)
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			paths = append(paths, fieldPaths(inner, prefix+field.Name+".")...)
		}
	}
	return paths
}

func readGolden(t *testing.T) (cases []golden) {
	t.Helper()
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func writeGolden(t *testing.T, cases []golden) {
	t.Helper()
	data, err := json.MarshalIndent(cases, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
