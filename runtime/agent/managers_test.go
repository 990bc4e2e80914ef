package agent

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestNextManager(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	led := []wire.Manager{{Addr: "a"}, {Addr: "b", Leader: true}, {Addr: "c"}}
	for _, tc := range []struct {
		name  string
		known []wire.Manager
		seeds []string
		vain  map[string]time.Time
		want  []string // any of them, and each of them some time
	}{
		{"nothing is known", nil, nil, nil, []string{""}},
		{"seeds", nil, []string{"x", "y"}, nil, []string{"x", "y"}},
		{"the leader", led, []string{"x"}, nil, []string{"b"}},
		{"nobody leads", []wire.Manager{{Addr: "a"}, {Addr: "c"}}, []string{"c", "x"}, nil, []string{"a", "c", "x"}},
		{"the leader was of no use", led, nil, map[string]time.Time{"b": ago(lastPause)}, []string{"a", "c"}},
		{"the longest ago", led, nil, map[string]time.Time{"a": ago(3), "b": ago(1), "c": ago(2)}, []string{"a"}},
	} {
		m := newManagers(tc.seeds, tc.known)
		for addr, at := range tc.vain {
			m.inVain(addr, at)
		}
		var got []string
		for range 200 {
			got = append(got, m.next(now))
		}
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, slices.Compact(got)); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

// A leader that is cut off costs the patience of a session each time, and a node
// has only so much until it is taken for lost.
func TestALeaderThatDoesNotAnswerIsAskedAgainOnceItIsNamedAgain(t *testing.T) {
	led := []wire.Manager{{Addr: "a"}, {Addr: "b", Leader: true}, {Addr: "c"}}
	m, now := newManagers(nil, led), time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	m.inVain("b", now)
	now = now.Add(openPatience)
	first := m.next(now)
	m.inVain(first, now)
	now = now.Add(openPatience)
	if second := m.next(now); first == "b" || second == "b" || first == second {
		t.Errorf("%s was asked, then %s", first, second)
	}
	m.learn(led)
	if next := m.next(now); next != "b" {
		t.Errorf("%s is asked, and the leader was named", next)
	}
	m.inVain("b", now)
	m.learn(led)
	if next := m.next(now.Add(lastPause - 1)); next == "b" {
		t.Error("the leader is asked again and again as it is named again and again")
	}
}

func TestLearn(t *testing.T) {
	m := newManagers(nil, nil)
	a, b := wire.Manager{NodeID: "n1", Addr: "a", Leader: true}, wire.Manager{NodeID: "n2", Addr: "b"}
	for _, step := range []struct {
		told, known []wire.Manager
		news        bool
	}{
		{nil, nil, false},
		{[]wire.Manager{a, {NodeID: "n3"}}, []wire.Manager{a}, true},
		{[]wire.Manager{a}, []wire.Manager{a}, false},
		{nil, []wire.Manager{a}, false}, // who knows nobody teaches nothing
		{[]wire.Manager{b}, []wire.Manager{b}, true},
	} {
		if news := m.learn(step.told); news != step.news || !slices.Equal(m.known, step.known) {
			t.Errorf("told %v: %v, knows %v", step.told, news, m.known)
		}
	}
}

func TestManagersAreOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), memoryFile)
	for _, want := range [][]wire.Manager{nil, {{NodeID: "n1", Addr: "a", Leader: true}}, {{NodeID: "n2", Addr: "b"}}} {
		m, err := openMemory(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.keepManagers(want); err != nil {
			t.Error(err)
		}
		if err := m.close(); err != nil {
			t.Error(err)
		}
		if m, err = openMemory(path); err != nil {
			t.Fatal(err)
		}
		if got, err := m.managers(); err != nil || !slices.Equal(got, want) {
			t.Errorf("kept %v, %v", got, err)
		}
		_ = m.close()
	}
}
