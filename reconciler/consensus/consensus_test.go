package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// running is a manager that is stopped with the test.
type running struct {
	*Consensus
	store *store.Store
	cfg   Config
	stop  func()
}

func run(t testing.TB, cfg Config) running {
	t.Helper()
	if cfg.Store == nil {
		cfg.Store = store.New()
	}
	if cfg.NodeID == "" {
		cfg.NodeID = "manager1"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	return running{c, cfg.Store, cfg, stop}
}

func (r running) lead(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	term, err := r.Leading(ctx)
	if err != nil {
		t.Fatalf("leading: %v", err)
	}
	return term
}

// term waits until the manager leads, and returns the context of its term.
func (r running) term(t testing.TB) context.Context {
	t.Helper()
	term, err := r.Leading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return term
}

func (r running) write(t testing.TB, txs ...specs.Transaction) []error {
	t.Helper()
	errs, err := r.Propose(context.Background(), txs)
	if err != nil {
		t.Fatal(err)
	}
	return errs
}

func ref(i int) specs.Transaction {
	name := fmt.Sprintf("refs/heads/%06d", i)
	return specs.Transaction{{Ref: specs.Insert(name, specs.Ref{Commit: fmt.Sprint(i)})}}
}

func TestRestartKeepsTheDigest(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Bootstrap: true}
	r := run(t, cfg)
	r.lead(t)
	for i := range 20 {
		for _, err := range r.write(t, ref(i), ref(i)) {
			if err != nil && !errors.Is(err, store.ErrConflict) {
				t.Fatal(err)
			}
		}
	}
	want, index := r.store.Digest(), r.store.Snapshot().Index()
	r.stop()

	began := time.Now()
	again := run(t, cfg)
	again.lead(t)
	t.Logf("open to leading: %v", time.Since(began))
	if got := again.store.Digest(); got != want || again.store.Snapshot().Index() != index {
		t.Errorf("digest %s at %d after the restart, want %s at %d", got.Short(), again.store.Snapshot().Index(), want.Short(), index)
	}
}

func TestTwoDaemonsCannotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	run(t, Config{Dir: dir, Bootstrap: true})
	_, err := Open(Config{Dir: dir, NodeID: "m", Store: store.New(), Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("got %v, want that another process uses it", err)
	}
}

// BenchmarkPropose is what a push waits for: one small transaction, committed
// on disk by one voter. fsync is the disk's own time for a write of that size.
func BenchmarkPropose(b *testing.B) {
	dir := b.TempDir()
	r := run(b, Config{Dir: dir, Bootstrap: true})
	r.lead(b)
	i := 0
	times := median{}
	for b.Loop() {
		began := time.Now()
		r.write(b, ref(i))
		times = append(times, time.Since(began))
		i++
	}
	b.ReportMetric(times.micros(), "p50-us/op")
	b.ReportMetric(fsyncTimes(b, dir).micros(), "p50-us/fsync")
}

// BenchmarkProposeMany is a pass of converge: 10,000 transactions at once.
func BenchmarkProposeMany(b *testing.B) {
	r := run(b, Config{Dir: b.TempDir(), Bootstrap: true})
	r.lead(b)
	i := 0
	for b.Loop() {
		txs := make([]specs.Transaction, 10_000)
		for j := range txs {
			txs[j] = ref(i)
			i++
		}
		r.write(b, txs...)
	}
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "tx/s")
}

// BenchmarkOpenToLeading is the restart of the only voter.
func BenchmarkOpenToLeading(b *testing.B) {
	cfg := Config{Dir: b.TempDir(), Bootstrap: true}
	for b.Loop() {
		r := run(b, cfg)
		r.lead(b)
		b.StopTimer()
		r.stop()
		b.StartTimer()
	}
}

type median []time.Duration

func (m median) micros() float64 {
	slices.Sort(m)
	return float64(m[len(m)/2].Nanoseconds()) / 1000
}

func fsyncTimes(b *testing.B, dir string) (times median) {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for range 200 {
		began := time.Now()
		if _, err := f.Write(make([]byte, 256)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	return times
}

// TestBootstrapGoesOnAfterAKill: raft writes its term before the voters, and a
// manager that was killed in between is to make its cluster at its next start.
func TestBootstrapGoesOnAfterAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory()
		if err := memory.entries.SetUint64(termKey, 1); err != nil {
			t.Fatal(err)
		}
		r := run(t, Config{Memory: memory, Bootstrap: true})
		r.lead(t)
		r.write(t, ref(1))
		r.stop()

		again := run(t, Config{Memory: memory, Bootstrap: true})
		again.lead(t)
		if _, ok := again.store.Snapshot().Ref("refs/heads/000001"); !ok {
			t.Error("the next start has forgotten what was written")
		}
	})
}
