package agent

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestOrderOfManagers(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	led := []wire.Manager{{Addr: "a"}, {Addr: "b", Leader: true}, {Addr: "c"}}
	for _, tc := range []struct {
		name  string
		known []wire.Manager
		seeds []string
		vain  map[string]time.Time
		want  []string // any of these orders, and each of them some time
	}{
		{"nothing is known", nil, nil, nil, []string{""}},
		{"seeds", nil, []string{"x", "y"}, nil, []string{"x y", "y x"}},
		{"the leader", led, nil, nil, []string{"b a c", "b c a"}},
		{"nobody leads", []wire.Manager{{Addr: "a"}}, []string{"x", "a"}, nil, []string{"a x", "x a"}},
		{"the leader was of no use", led, nil, map[string]time.Time{"b": ago(lastPause)}, []string{"a c b", "c a b"}},
		{"the longest ago", led, nil, map[string]time.Time{"a": ago(3), "b": ago(1), "c": ago(2)}, []string{"a c b"}},
	} {
		m := newManagers(tc.seeds, tc.known)
		for addr, at := range tc.vain {
			m.inVain(addr, at)
		}
		var got []string
		for range 200 {
			got = append(got, strings.Join(m.order(now), " "))
		}
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, slices.Compact(got)); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

// A leader that is cut off costs time whenever it is asked first.
func TestALeaderThatDoesNotAnswerIsAskedFirstOnceItIsNamedAgain(t *testing.T) {
	led := []wire.Manager{{Addr: "a"}, {Addr: "b", Leader: true}, {Addr: "c"}}
	m, now := newManagers(nil, led), time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	m.inVain("b", now)
	now = now.Add(lastPause)
	if all := m.order(now); all[2] != "b" {
		t.Errorf("%v are asked, and the leader has not been named since", all)
	}
	m.learn(led)
	if all := m.order(now); all[0] != "b" {
		t.Errorf("%v are asked, and the leader was named", all)
	}
	m.inVain("b", now)
	m.learn(led)
	if all := m.order(now.Add(lastPause - 1)); all[0] == "b" {
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
		m.keepManagers(want)
		if err := m.write(); err != nil {
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
