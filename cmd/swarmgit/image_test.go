package main

import (
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

func TestShownName(t *testing.T) {
	for _, tc := range []struct{ name, pulledAs, want string }{
		{"docker.io/library/web:1", "", "web:1"},
		{"docker.io/demo/web:1", "", "demo/web:1"},
		{"r.example:5000/library/web:1", "", "r.example:5000/library/web:1"},
		{"docker.io/library/web@sha256:4f1c", "docker.io/library/web:1", "web:1"},
		{"r.example/web@sha256:4f1c", "", "r.example/web:<none>"},
	} {
		if got := shownName(api.Image{Name: tc.name, PulledAs: tc.pulledAs}); got != tc.want {
			t.Errorf("%s, pulled as %q: %s, want %s", tc.name, tc.pulledAs, got, tc.want)
		}
	}
}
