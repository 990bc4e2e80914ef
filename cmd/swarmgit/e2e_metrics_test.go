package main

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

// A daemon tells Prometheus what METRICS.md says, nothing else, and to nobody
// without a token.
func TestMetrics(t *testing.T) {
	needPrograms(t, "git")
	c := memoryCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	c.refused(t, map[string]string{"stacks/shop/stack.yml": "services: 1\n"})
	c.swarmgit("source", "add", "own", c.path("clone")) // its stack belongs to main, but it can be read
	c.swarmgit("source", "add", "gone", c.path("nothing"))
	viewer, err := ask(c, api.CreateToken.Call, api.CreateTokenRequest{Role: specs.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	c.scrape(t, "", http.StatusUnauthorized)
	c.scrape(t, "wrong", http.StatusUnauthorized)
	text := c.scrape(t, string(viewer.Token), http.StatusOK)

	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	told := slices.DeleteFunc(slices.Sorted(maps.Keys(families)), func(name string) bool { return !strings.HasPrefix(name, "swarmgit_") })
	if diff := cmp.Diff(documentedMetrics(t), told); diff != "" {
		t.Errorf("METRICS.md and what is told differ (-documented +told):\n%s", diff)
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	for series, want := range map[string]float64{
		"swarmgit_tasks running":                   2,
		"swarmgit_tasks pending":                   0,
		"swarmgit_service_tasks_wanted shop_web":   2,
		"swarmgit_service_tasks_running shop_web":  2,
		"swarmgit_nodes active ready":              1,
		"swarmgit_revision_state main healthy":     1,
		"swarmgit_revision_state main rolling-out": 0,
		"swarmgit_source_failures own":             0,
		"swarmgit_raft_leader":                     1,
		"swarmgit_raft_leader_known":               1,
		"swarmgit_raft_disk_writable":              1,
		"swarmgit_managers":                        1,
		"swarmgit_managers_voting":                 1,
		"swarmgit_managers_reachable":              1,
		"swarmgit_tasks_created_total":             2,
		"swarmgit_scheduler_placements_total":      2,
		"swarmgit_push_duration_seconds committed": 1,
		"swarmgit_push_duration_seconds refused":   1,
	} {
		if got, ok := valueOf(families, series); !ok || got != want {
			t.Errorf("%s: %v (told: %v), want %v", series, got, ok, want)
		}
	}
	for _, name := range []string{"swarmgit_reconcile_duration_seconds", "swarmgit_raft_commit_duration_seconds", "swarmgit_proposal_duration_seconds answered", "swarmgit_raft_applied_index", "swarmgit_source_read_timestamp_seconds own", "swarmgit_source_failures gone", "swarmgit_raft_term", "swarmgit_plan_duration_seconds"} {
		if got, _ := valueOf(families, name); got == 0 {
			t.Errorf("%s: nothing was noted", name)
		}
	}
}

// memoryCluster is a daemon whose engine only remembers its tasks, with a clone
// of its remote. It needs no root.
func memoryCluster(t *testing.T) *realCluster {
	t.Helper()
	c := memoryNode(t, "--init", "--listen", "127.0.0.1:0")
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.reset(t)
	return c
}

// memoryNode is a daemon with these flags, not started yet, that runs nothing.
func memoryNode(t *testing.T, flags ...string) *realCluster {
	t.Helper()
	c := &realCluster{dir: t.TempDir(), flags: flags, setting: []string{memoryEngine}}
	var err error
	if c.http, err = freePort(); err != nil {
		t.Fatal(err)
	}
	c.tellOnFailure(t)
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
		if err := endWorker(context.Background(), c.path("data")); err != nil {
			t.Error(err)
		}
	})
	return c
}

// scrape asks as Prometheus does.
func (c *realCluster) scrape(t *testing.T, token string, status int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.http+api.MetricsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != status {
		t.Fatalf("status %d, want %d: %s, %v", reply.StatusCode, status, text, err)
	}
	return string(text)
}

// documentedMetrics are the names in the tables of METRICS.md, sorted.
func documentedMetrics(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../reconciler/metrics/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(swarmgit_\\w+)`").FindAllStringSubmatch(string(text), -1) {
		names = append(names, row[1])
	}
	slices.Sort(names)
	return names
}

// valueOf is the value of a metric with these label values, in the order of the
// labels' names; of a histogram it is the count.
func valueOf(families map[string]*dto.MetricFamily, series string) (float64, bool) {
	words := strings.Fields(series)
	for _, metric := range families[words[0]].GetMetric() {
		var values []string
		for _, label := range metric.GetLabel() {
			values = append(values, label.GetValue())
		}
		if slices.Equal(values, words[1:]) {
			return metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount()), true
		}
	}
	return 0, false
}
