package schema

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestEveryKeyHasAFate holds DESIGN's rule that no key is dropped silently:
// compose.cue says of each key what becomes of it, and why where it does not
// simply work.
func TestEveryKeyHasAFate(t *testing.T) {
	count := 0
	check := func(path string, r *rule) {
		count++
		switch r.fate {
		case untold:
			t.Errorf("%s has no attribute that says what becomes of it", path)
		case later, partial, refused:
			if r.why == "" {
				t.Errorf("%s does not say why", path)
			}
		}
		if r.form != "" && forms[r.form] == nil {
			t.Errorf("%s has the unknown form %s", path, r.form)
		}
	}
	walkRules(stackFormat.rules(), "", check)
	walkRules(listingFormat.rules(), "swarmgit.yaml: ", check)
	if count < 200 {
		t.Errorf("only %d keys", count)
	}
}

func walkRules(r *rule, path string, visit func(path string, r *rule)) {
	for _, key := range slices.Sorted(maps.Keys(r.fields)) {
		here := join(path, key)
		visit(here, r.fields[key])
		walkRules(r.fields[key], here, visit)
	}
	if r.each != nil {
		walkRules(r.each, join(path, "*"), visit)
	}
}

// TestEveryKeyOfComposeIsKnown compares with the list of all keys of Compose v3
// and the version that brought each.
func TestEveryKeyOfComposeIsKnown(t *testing.T) {
	list, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		version, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		since, r := minorVersion(version), stackFormat.rules()
		newest := 0 // a key is as new as the newest key above it
		for key := range strings.SplitSeq(path, ".") {
			next := r.fields[key]
			if key == "*" {
				next = r.each
			}
			if next == nil {
				t.Errorf("%s is not known (at %s)", path, key)
				r = nil
				break
			}
			r = next
			newest = max(newest, r.since)
		}
		if r != nil && newest != since {
			t.Errorf("%s is of version 3.%d, compose.cue says 3.%d", path, since, newest)
		}
		if r != nil && r.fate == refused {
			t.Errorf("%s is refused, Swarm takes it", path)
		}
	}
}
