package specs_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	. "github.com/swarmgit/swarmgit/specs"
)

func TestID(t *testing.T) {
	var zero, ones [16]byte
	for i := range ones {
		ones[i] = 0xff
	}
	for random, want := range map[[16]byte]string{
		zero: "0000000000000000000000000",
		ones: "f5lxx1zz5pnorynqglhzmsp33",
	} {
		if got := ID(random); got != want {
			t.Errorf("%x is %s, want %s", random, got, want)
		}
	}
}

func TestIDsAreBase36AndDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := func(label string) [16]byte {
			return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
		}
		a, b := bits("a"), bits("b")
		id := ID(a)
		if len(id) != IDLength || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("%q is no ID", id)
		}
		if order := bytes.Compare(a[:], b[:]); strings.Compare(id, ID(b)) != order {
			t.Fatalf("%s and %s are not in the order of their bytes", id, ID(b))
		}
	})
}

func TestHashShort(t *testing.T) {
	for hash, want := range map[Hash]string{"": "", "abc": "abc", "0123456789abcdef": "01234567"} {
		if got := hash.Short(); got != want {
			t.Errorf("%s is shortened to %s, want %s", hash, got, want)
		}
	}
}

func TestOriginsFindTheNearestParent(t *testing.T) {
	web := Position{File: "stack.yml", Line: 3, Column: 5}
	replicas := Position{File: "stack.yml", Line: 9, Column: 7}
	origins := Origins{"services.web": web, "services.web.deploy.replicas": replicas}
	for path, want := range map[string]Position{
		"services.web.deploy.replicas": replicas,
		"services.web.deploy":          web,
		"services.web.image":           web,
		"services.web":                 web,
		"services.webshop":             {},
		"services":                     {},
		"":                             {},
	} {
		got, ok := origins.Find(path)
		if got != want || ok != (want != Position{}) {
			t.Errorf("%q is at %s (%v), want %s", path, got, ok, want)
		}
	}
}

func TestPositionText(t *testing.T) {
	for position, want := range map[Position][2]string{
		{File: "a.yml"}:                     {"a.yml", "a.yml"},
		{File: "a.yml", Line: 3}:            {"a.yml:3", "a.yml:3"},
		{File: "a.yml", Line: 3, Column: 7}: {"a.yml:3:7", "a.yml:3"},
	} {
		if position.String() != want[0] || position.ShortString() != want[1] {
			t.Errorf("got %s and %s, want %v", position, position.ShortString(), want)
		}
	}
	problem := Problem{Position: Position{File: "a.yml", Line: 3, Column: 7}, Message: "no image"}
	if got := problem.String(); got != "a.yml:3:7: no image" {
		t.Errorf("a problem prints as %q", got)
	}
	problem.Path = "services.web"
	if got := problem.String(); got != "a.yml:3:7: services.web: no image" {
		t.Errorf("a problem prints as %q", got)
	}
}

func TestPositionsAreOrdered(t *testing.T) {
	sorted := []Position{{File: "a"}, {File: "a", Line: 2, Column: 9}, {File: "a", Line: 10, Column: 1}, {File: "a", Line: 10, Column: 3}, {File: "b"}}
	shuffled := []Position{sorted[3], sorted[0], sorted[4], sorted[2], sorted[1]}
	slices.SortFunc(shuffled, Position.Compare)
	if !slices.Equal(sorted, shuffled) {
		t.Errorf("got %v", shuffled)
	}
}

func TestDefaultsAtUse(t *testing.T) {
	three := uint64(3)
	if one, n := (ServiceSpec{}).WantedReplicas(), (ServiceSpec{Replicas: &three}).WantedReplicas(); one != 1 || n != 3 {
		t.Errorf("got %d and %d replicas, want 1 and 3", one, n)
	}
}

func TestANodeTakesTasks(t *testing.T) {
	for _, c := range []struct {
		status       NodeStatus
		availability Availability
		want         bool
	}{
		{NodeReady, "", true}, {NodeReady, Active, true}, {NodeReady, Pause, false}, {NodeReady, Drain, false},
		{NodeDown, Active, false}, {"", Active, false},
	} {
		node := Node{Spec: NodeSpec{Availability: c.availability}, Seen: NodeSeen{Status: c.status}}
		if node.CanTakeTasks() != c.want {
			t.Errorf("a node %q and %q takes tasks: %v, want %v", c.status, c.availability, !c.want, c.want)
		}
	}
}

func TestEndsOfARevision(t *testing.T) {
	for state, want := range map[RevisionState]bool{
		RevisionRefused: true, RevisionAwaiting: false, RevisionRollingOut: false, RevisionHealthy: true,
		RevisionPaused: true, RevisionFailed: true, RevisionRolledBack: true, RevisionSuperseded: true,
	} {
		if state.Ended() != want {
			t.Errorf("%s has ended: %v, want %v", state, !want, want)
		}
	}
}

func TestPatches(t *testing.T) {
	if p := Insert("a", 1); p.ID != "a" || p.Base != 0 || *p.Value != 1 {
		t.Errorf("an insert is %+v", p)
	}
	if p := Set("a", 4, 1); p.ID != "a" || p.Base != 4 || *p.Value != 1 {
		t.Errorf("a set is %+v", p)
	}
	if p := Remove[int]("a", 4); p.ID != "a" || p.Base != 4 || p.Value != nil {
		t.Errorf("a removal is %+v", p)
	}
}

func TestHoldsEngineSocket(t *testing.T) {
	for p, want := range map[string]bool{
		"/run": true, "/run/": true, "/var/run": true, "/var/run/": true, "/var/../run": true, "//var//run/docker.sock": true,
		"/run/docker.sock": true, "/run/containerd": true, "/var/run/containerd/containerd.sock": true,
		"/run/swarmgit": true, "/run/swarmgit/1d52efe8/containerd.sock": true, "/var/run/swarmgit/swarmgit.sock": true,
		"/": false, "/var": false, "/run/secrets": false, "/run/dock": false, "/run/docker.sock.d": false, "/srv/run": false, "/var/running": false, "/run/swarmgit2": false,
	} {
		if got := HoldsEngineSocket(p); got != want {
			t.Errorf("%s: %v", p, got)
		}
	}
}

func TestProblemSteersNoTerminal(t *testing.T) {
	p := Problem{Position: Position{File: "stacks/\x1b[2J.yml", Line: 3, Column: 4}, Path: "services.web.labels.a\u202eb", Message: "must be é\n\x00"}
	if got, want := p.String(), `stacks/\x1b[2J.yml:3:4: services.web.labels.a\u202eb: must be é\n\x00`; got != want {
		t.Errorf("got %s", got)
	}
}
