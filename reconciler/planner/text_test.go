package planner

import (
	"encoding/json"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func at(line int) specs.Position {
	return specs.Position{File: "stacks/shop/stack.yml", Line: line, Column: 5}
}

// screens are plans of every shape, by the name of their golden file.
var screens = map[string]struct {
	plan    Plan
	options TextOptions
}{
	"push":   {plan: pushed, options: TextOptions{Width: 72}},
	"tree":   {plan: tree},
	"colour": {plan: tree, options: TextOptions{Color: true}},
	"nothing": {plan: Plan{
		Title: "over 7bd31c2", Revision: "7bd31c24a6f20c3f6ad9a2f5c6b7a4a1b2c3d4e5", Verdict: NoChanges, Totals: Totals{Untouched: 46},
	}},
	"nothing-working-tree": {plan: Plan{
		Title: "of the working tree", Verdict: NoChanges,
		Warnings: []specs.Problem{{Position: at(36), Message: "${REGION} is not set: empty"}},
	}},
	"nothing-under-way": {plan: Plan{
		Title: "over 7bd31c2", Revision: "7bd31c2", Verdict: NoChanges, Totals: Totals{Start: 1, Restart: 3, Untouched: 42},
		Moved: []Entry{{Service: "shop_web", Action: Same, Wanted: 4, Totals: Totals{Start: 1, Restart: 3}}},
	}},
	"nothing-paused": {plan: Plan{
		Title: "over 7bd31c2", Revision: "7bd31c2", Verdict: NoChanges, Totals: Totals{Untouched: 45}, Paused: stillPaused,
	}, options: TextOptions{Width: 72}},
	"paused": {plan: Plan{
		Title: "over 7bd31c2", Verdict: NeedsAttention, Totals: Totals{Start: 1, Restart: 2, Untouched: 45}, Paused: stillPaused,
		Services: []Entry{{
			Service: "shop_api", Action: Rolling, Wanted: 3, Parallelism: 1, Order: specs.StopFirst, Gap: true, At: at(7),
			Totals: Totals{Start: 1, Restart: 2}, Estimate: specs.Duration(15 * time.Second),
			Resumes: "shop_api.1 failed: exit code 1",
			Fields:  []Field{{Name: "image", Old: "registry.example/api:2", New: "registry.example/api:3", Restarts: true, At: at(8)}},
		}},
	}},
	"refused": {plan: refusedPlan},
	"invalid": {plan: Input{Present: store.New().Snapshot(), Title: "of 3e99d01 over 7bd31c2", Mistakes: []specs.Problem{
		{Position: at(14), Path: "services.web.deploy.update_confg", Message: "unknown key; did you mean update_config?"},
		{Position: at(12), Path: "services.web.deploy.replicas", Message: `must be a whole number >= 0, got "fife"`},
	}}.invalid()},
	"large":   {plan: large, options: TextOptions{Width: 72}},
	"awkward": {plan: awkward, options: TextOptions{Width: 72}},
	"removal": {plan: Plan{
		Title: "over 1f0c9aa", Verdict: NeedsAttention, Totals: Totals{Start: 1, Stop: 1, Untouched: 5},
		Services: []Entry{
			{Service: "old_cron", Action: Remove, Totals: Totals{Stop: 1}, Gap: true},
			{Service: "old_idle", Action: Remove},
			{
				Service: "shop_cron", Action: Create, Wanted: 1, Totals: Totals{Start: 1}, At: at(9), RenamedFrom: "old_cron",
				Expected: []Placement{{Slot: 1, Node: "n1"}},
			},
		},
	}},
}

var stillPaused = []Standstill{
	{Service: "shop_cron", Reason: "shop_cron.1 rejected: registry.example/cron:nope: no such image", Wanted: 1},
	{Service: "shop_web", Reason: "shop_web.1 failed: exit code 1", Wanted: 4, Running: 3, Old: 3},
}

var pushed = Plan{
	Title: "over 1f0c9aa", Verdict: NeedsAttention, Totals: Totals{Start: 2, Restart: 3, Untouched: 41},
	Services: []Entry{{
		Service: "shop_web", Action: Rolling, Wanted: 5, Parallelism: 1, Order: specs.StopFirst, Gap: true,
		Totals: Totals{Start: 2, Restart: 3}, Estimate: specs.Duration(17 * time.Second), At: at(7),
		Fields: []Field{
			{Name: "image", Old: "registry.example/web:1.3.9", New: "registry.example/web:1.4.0@sha256:9c1e55d0aa", Restarts: true, At: at(8)},
			{Name: "replicas", Old: "3", New: "5", At: at(12)},
		},
		Expected: []Placement{
			{Slot: 4, Node: "n2"}, {Slot: 5, Node: "n3"}, {Slot: 1, Node: "n1", Batch: 1},
			{Slot: 2, Node: "n2", Batch: 2}, {Slot: 3, Node: "n3", Batch: 3},
		},
	}},
}

var tree = Plan{
	Title: "of the working tree (2 files differ from 7bd31c2)", Verdict: NeedsAttention,
	Totals: Totals{Restart: 5, Stop: 2, Pending: 1, Untouched: 39},
	Services: []Entry{
		{Service: "old_cron", Action: Remove, Totals: Totals{Stop: 2}, Gap: true},
		{
			Service: "shop_api", Action: InPlace, Wanted: 2, Totals: Totals{Untouched: 2}, At: at(30),
			Fields: []Field{{Name: "labels.team", New: "core", At: at(41)}},
		},
		{
			Service: "shop_report", Action: Create, Wanted: 1, Totals: Totals{Pending: 1}, At: at(60),
			Pending: []Waiting{{Slots: []uint64{1}, Reason: "no suitable node (insufficient memory on 3 nodes)"}},
		},
		{
			Service: "shop_web", Action: Rolling, Wanted: 5, Parallelism: 2, Order: specs.StartFirst,
			Totals: Totals{Restart: 5}, Estimate: specs.Duration(40 * time.Second),
			Fields: []Field{
				{Name: "env LOG_LEVEL", Old: "info", New: "debug", Restarts: true, At: at(19)},
				{Name: "env API_KEY", Old: "(4f1c)", New: "(09be)", Restarts: true, At: at(20)},
			},
			Expected: []Placement{
				{Slot: 1, Node: "n1"}, {Slot: 2, Node: "n2"}, {Slot: 3, Node: "n3", Batch: 1},
				{Slot: 4, Node: "n1", Batch: 1}, {Slot: 5, Node: "n2", Batch: 2},
			},
		},
	},
	Warnings: []specs.Problem{
		{Position: at(33), Path: "services.api.restart", Message: "ignored, because deploy.restart_policy is set"},
		{Position: at(36), Message: "${REGION} is not set: empty"},
	},
}

var refusedPlan = Plan{
	Title: "over 7bd31c2", Verdict: Refused, Totals: Totals{Stop: 30, Untouched: 16},
	Services: []Entry{{Service: "shop_web", Action: Remove, Totals: Totals{Stop: 30}, Gap: true}},
	Refusals: []specs.Problem{
		{Position: at(12), Path: "services.web.healthcheck", Message: "not built yet", Partial: true},
		{Message: "this stops 30 of the 46 running tasks: if that is meant, say so by -o allow-removal"},
	},
}

var large = Plan{
	Title: "over 7bd31c2", Verdict: NeedsAttention, Totals: Totals{Start: 9000, Restart: 40, Pending: 20}, Beyond: 12000,
	Services: []Entry{
		{
			Service: "shop_web", Action: Rolling, Wanted: 40, Order: specs.StopFirst, Gap: true, Totals: Totals{Restart: 40},
			Estimate: specs.Duration(3*time.Hour + 2*time.Minute), Expected: manyPlacements(40, 20),
			Fields: []Field{{Name: "command", Old: "[" + strings.Repeat("word ", 60) + "]", New: "[run]", Restarts: true, At: at(8)}},
		},
		{
			Service: "shop_worker", Action: Create, Wanted: 9020, Totals: Totals{Start: 9000, Pending: 20}, Expected: manyPlacements(9000, 3),
			Pending: []Waiting{
				{Slots: make([]uint64, 16), Reason: "no suitable node (max replicas per node reached on 3 nodes)"},
				{Slots: []uint64{7, 8, 9, 10}, Reason: "no suitable node (node.labels.zone == b is not met on 3 nodes)"},
			},
		},
	},
}

// awkward holds what users write without thinking of terminals.
var awkward = Plan{
	Title: "over 7bd31c2", Verdict: NeedsAttention, Totals: Totals{Restart: 1},
	Services: []Entry{{
		Service: "a-stack-of-a-very-long-name_and-a-service-of-an-even-longer-name", Action: Rolling, Wanted: 1, Parallelism: 1,
		Order: specs.StopFirst, Gap: true, Totals: Totals{Restart: 1}, Estimate: specs.Duration(90 * time.Second),
		Fields: []Field{
			{Name: "env MOTD", Old: "hello", New: "red \x1b[31malert\nsecond line", Restarts: true, At: at(3)},
			{Name: "env A_VARIABLE_WITH_A_NAME_BEYOND_ALL_COLUMNS", Old: `""`, New: "x", Restarts: true, At: at(4)},
			{Name: "env GRUSS", Old: "grüße aus köln", New: "grüße", Restarts: true, At: at(5)},
			{
				Name: "image", Old: "registry.example:5000/team/web", New: "registry.example:5000/team/web:2", Restarts: true,
				At: specs.Position{File: "deployments/production/europe/frankfurt/stacks/shop/docker-compose.yml", Line: 1234},
			},
			{Name: "env URL", Old: "https://(4f1c)@host/a", New: "https://(09be)@host/a", Restarts: true},
		},
	}},
}

func manyPlacements(n, nodes int) []Placement {
	var placed []Placement
	for i := range n {
		placed = append(placed, Placement{Slot: uint64(i + 1), Node: "n" + string(rune('a'+i%nodes)), Batch: i / 10})
	}
	return placed
}

func TestScreens(t *testing.T) {
	for name, screen := range screens {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", render(t, screen.plan, screen.options))
		})
	}
}

// What travels as JSON to the command line is shown as it would be here.
func TestJSONKeepsTheScreen(t *testing.T) {
	for name, screen := range screens {
		data, err := json.Marshal(screen.plan)
		if err != nil {
			t.Fatal(err)
		}
		var back Plan
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(render(t, screen.plan, screen.options), render(t, back, screen.options)); diff != "" {
			t.Errorf("%s changes on its way through JSON:\n%s", name, diff)
		}
	}
}

func render(t *testing.T, p Plan, o TextOptions) string {
	t.Helper()
	var b strings.Builder
	if err := p.Text(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestNoLineIsTooLong(t *testing.T) {
	for name, screen := range screens {
		if name == "awkward" || name == "colour" {
			continue // single words that are longer than a line
		}
		width := screen.options.Width
		if width == 0 {
			width = 80
		}
		for line := range strings.Lines(render(t, screen.plan, screen.options)) {
			if len(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("%s: %d columns: %s", name, len(line)-1, line)
			}
		}
	}
}

func TestExitCode(t *testing.T) {
	pending := Totals{Pending: 1}
	for _, c := range []struct {
		name            string
		plan            Plan
		plain, detailed int
	}{
		{"nothing to do", Plan{Verdict: NoChanges}, 0, 0},
		{"nothing to do but something waits", Plan{Verdict: NoChanges, Totals: pending}, 0, 4},
		{"safe changes", Plan{Verdict: Safe}, 0, 2},
		{"changes", Plan{Verdict: NeedsAttention}, 0, 2},
		{"cannot be placed", Plan{Verdict: NeedsAttention, Totals: pending}, 0, 4},
		{"refused", Plan{Verdict: Refused}, 1, 3},
		{"mistakes", Plan{Verdict: Refused, Invalid: true}, 1, 1},
		{"refused and cannot be placed", Plan{Verdict: Refused, Totals: pending}, 1, 3},
	} {
		if got := c.plan.ExitCode(false); got != c.plain {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.plain)
		}
		if got := c.plan.ExitCode(true); got != c.detailed {
			t.Errorf("%s: detailed exit code %d, want %d", c.name, got, c.detailed)
		}
	}
}
