package executortest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Pairs are measurements of one benchmark: what we take and what the reference
// takes, turn about in one run, so that a loaded machine is as slow for both.
type Pairs struct{ ours, reference []time.Duration }

// Add adds one pair.
func (p *Pairs) Add(ours, reference time.Duration) {
	p.ours, p.reference = append(p.ours, ours), append(p.reference, reference)
}

// Report logs the medians, the median of the ratios with its quartiles, and
// whether they reach limit, which is the most that the ratio may be. The metric
// is the ratio.
func (p *Pairs) Report(b *testing.B, what string, limit float64) {
	b.Helper()
	ratios := make([]float64, len(p.ours))
	for i := range ratios {
		ratios[i] = float64(p.ours[i]) / float64(p.reference[i])
	}
	low, ratio, high := quartiles(ratios)
	verdict := "not resolved"
	switch {
	case high <= limit:
		verdict = "reached"
	case low > limit:
		verdict = "MISSED"
	}
	_, ours, _ := quartiles(p.ours)
	_, reference, _ := quartiles(p.reference)
	b.Logf("%s: %s, reference %s: ratio %.2f (quartiles %.2f to %.2f of %d pairs), to reach %.2f: %s; %s", what,
		ours.Round(10*time.Microsecond), reference.Round(10*time.Microsecond), ratio, low, high, len(ratios), limit, verdict, Circumstances(b))
	b.ReportMetric(ratio, "ratio:"+strings.ReplaceAll(what, " ", "-"))
}

func quartiles[T float64 | time.Duration](values []T) (low, median, high T) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return sorted[n/4], sorted[n/2], sorted[n*3/4]
}

// Circumstances are the machine's load and the time that its disk takes for a
// small write, in words.
func Circumstances(b *testing.B) string {
	b.Helper()
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		b.Fatal(err)
	}
	file, err := os.Create(filepath.Join(b.TempDir(), "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	syncs := make([]time.Duration, 21)
	for i := range syncs {
		began := time.Now()
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
		syncs[i] = time.Since(began)
	}
	_, sync, _ := quartiles(syncs)
	return fmt.Sprintf("load %s, fsync p50 %s", strings.Join(strings.Fields(string(load))[:3], " "), sync.Round(10*time.Microsecond))
}
