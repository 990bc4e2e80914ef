package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A slip in --end costs nothing, and a daemon keeps its directory.
func TestDemoEndsDemosOnly(t *testing.T) {
	home := t.TempDir()
	put(t, home, "data/letter", "dear")
	if err := endKept(t.Context(), home); err == nil || !strings.Contains(err.Error(), "no cluster of a demo is there") {
		t.Errorf("got %v", err)
	}
	kept := filepath.Join(home, demoPrefix+"1")
	put(t, kept, "data/letter", "dear")
	lock, err := lockDataDir(filepath.Join(kept, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := endKept(t.Context(), kept); err == nil || !strings.Contains(err.Error(), "is in use by another daemon") {
		t.Errorf("under a daemon: %v", err)
	}
	for _, dir := range []string{home, kept} {
		if _, err := os.Stat(filepath.Join(dir, "data", "letter")); err != nil {
			t.Error(err)
		}
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := endKept(t.Context(), kept); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(kept); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
