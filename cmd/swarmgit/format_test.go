package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Minute, "less than a second"}, // a clock that is ahead
		{0, "less than a second"},
		{999 * time.Millisecond, "less than a second"},
		{time.Second, "1 second"},
		{59 * time.Second, "59 seconds"},
		{time.Minute, "about a minute"},
		{119 * time.Second, "about a minute"},
		{2 * time.Minute, "2 minutes"},
		{59*time.Minute + 59*time.Second, "59 minutes"},
		{hour, "about an hour"},
		{2 * hour, "2 hours"},
		{47 * hour, "47 hours"},
		{2 * day, "2 days"},
		{13 * day, "13 days"},
		{14 * day, "2 weeks"},
		{59 * day, "8 weeks"},
		{60 * day, "2 months"},
		{729 * day, "24 months"},
		{730 * day, "2 years"},
	} {
		if got := span(c.d); got != c.want {
			t.Errorf("%s: got %q, want %q", c.d, got, c.want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{{}: "", now: "less than a second ago", now.Add(-2 * hour): "2 hours ago"} {
		if got := ago(now, at); got != want {
			t.Errorf("%s: got %q, want %q", at, got, want)
		}
	}
}

func TestShortNames(t *testing.T) {
	if shortID("v61kcvsq7yqpabcdefghijklm") != "v61kcvsq7yqp" || shortID("v6") != "v6" {
		t.Error("an ID has 12 characters in a table, or fewer when it has no more")
	}
	if shortCommit(strings.Repeat("a", 40)) != "aaaaaaa" || shortCommit("") != "" {
		t.Error("a commit has 7")
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table(&b, "ID\tNAME", [][]string{{"a", "one"}, {"longer than the header", "two"}})
	want := "ID                       NAME\na                        one\nlonger than the header   two\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("", 3600))
	for text, want := range map[string]time.Time{
		"":                               {},
		"10m":                            now.Add(-10 * time.Minute),
		"1h30m":                          now.Add(-90 * time.Minute),
		"2026-11-23T10:00:00Z":           time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		"2026-11-23T10:00:00.5+02:00":    time.Date(2026, 11, 23, 8, 0, 0, 5e8, time.UTC),
		"2026-11-23T10:00:00":            time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), // in the zone of the user
		"2026-11-23":                     time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC),
		"2026-11-23T10:00:00.123456789Z": time.Date(2026, 11, 23, 10, 0, 0, 123456789, time.UTC),
	} {
		if got, err := parseTime("--since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "10", "12:00", "2026-13-01"} {
		if got, err := parseTime("--since", text, now); err == nil || !strings.HasPrefix(err.Error(), "--since "+text+": neither") {
			t.Errorf("%q: got %s, %v", text, got, err)
		}
	}
}

func TestWhatUsersWriteStaysInItsRow(t *testing.T) {
	var b strings.Builder
	table(&b, "BY\tMESSAGE", [][]string{{"ana", "a\tb\nc\x1b[31m\u202e"}, {"ü", "ok"}})
	want := "BY    MESSAGE\nana   a b c [31m \nü     ok\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestShorten(t *testing.T) {
	for text, want := range map[string]string{"": "", "äöüäöü": "äöüäöü", "äöüäöüä": "äöü..."} {
		if got := shorten(text, 6); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestWrapped(t *testing.T) {
	word := strings.Repeat("w", 38)
	long := strings.Repeat("l", 90)
	for text, want := range map[string]string{
		"":                               "! ",
		word + " " + word:                "! " + word + " " + word,
		word + " " + word + " x " + long: "! " + word + " " + word + "\n  x\n  " + long,
	} {
		if got := wrapped("! ", text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 999: "999B", 1000: "1kB", 804_900: "805kB", 999_600: "1MB", 12_345_678: "12.3MB", 5e9: "5GB"} {
		if got := size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestThePushThatWasPlanned(t *testing.T) {
	for want, req := range map[string]api.PlanRequest{
		"git push swarm HEAD:main":                                    {},
		"git push -o allow-removal swarm HEAD:main":                   {AllowRemoval: true},
		"git push -o accept-partial -o allow-removal swarm HEAD:main": {AllowRemoval: true, AcceptPartial: true},
		"git push swarm review/debug:main":                            {Rev: "review/debug"},
		"git push swarm 7bd31c2:main":                                 {Rev: "5a0e117..7bd31c2"},
	} {
		if got := pushCommand(req); got != want {
			t.Errorf("%+v: got %s, want %s", req, got, want)
		}
	}
}
