package consensus

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"github.com/swarmgit/swarmgit/specs"
)

// callers is how many propose at once in BenchmarkProposeByMany.
const callers = 64

// BenchmarkProposeByMany is three managers with their logs on disk, joined by
// TCP, and 64 callers that each propose one object at a time. The ratio is to
// what the log alone appends in groups of the same number, one of each in turn.
func BenchmarkProposeByMany(b *testing.B) {
	const pairs, perPair = 10, 4096
	managers := onDisk(b, 3)
	raw := openWAL(b)
	var ours, theirs rates
	n := 0
	for b.Loop() {
		for range pairs {
			ours = append(ours, rate(perPair, func() { proposeAll(b, managers, n, perPair) }))
			theirs = append(theirs, rate(perPair, func() { appendAll(b, raw, perPair) }))
			n += perPair
		}
	}
	b.ReportMetric(ours.median(), "tx/s")
	b.ReportMetric(theirs.median(), "raw-wal-entries/s")
	b.ReportMetric(ours.median()/theirs.median(), "ratio")
	b.ReportMetric(fsyncTimes(b, b.TempDir()).micros(), "p50-us/fsync")
}

// proposeAll writes to whoever leads.
func proposeAll(b *testing.B, managers []running, from, n int) {
	leader := managers[leading(b, managers...)]
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := from + c; i < from+n; i += callers {
				proposeOne(b, leader, managers, i)
			}
		})
	}
	all.Wait()
}

// proposeOne goes to another manager when leadership is lost: on a machine that
// is busy with something else, a stall of 300 ms is an election.
func proposeOne(b *testing.B, leader running, managers []running, i int) {
	errs, err := leader.Propose(context.Background(), []specs.Transaction{ref(i)})
	for errors.Is(err, ErrNotLeader) {
		errs, err = managers[leading(b, managers...)].Propose(context.Background(), []specs.Transaction{ref(i)})
	}
	if err == nil && errs[0] != nil || err != nil && !errors.Is(err, ErrOutcomeUnknown) {
		b.Errorf("write %d: %v %v", i, err, errs)
	}
}

func openWAL(b *testing.B) *wal.WAL {
	b.Helper()
	w, err := wal.Open(filepath.Clean(b.TempDir()), wal.WithLogger(raftLog(slog.New(slog.DiscardHandler))))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.Close() })
	return w
}

// appendAll writes n entries as large as the proposals', in groups of callers.
func appendAll(b *testing.B, w *wal.WAL, n int) {
	batches, _, err := pack([]specs.Transaction{ref(0)})
	if err != nil {
		b.Fatal(err)
	}
	data, err := batches[0].encode(Newest, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	last, err := w.LastIndex()
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < n; i += callers {
		var group []*raft.Log
		for range callers {
			last++
			group = append(group, &raft.Log{Index: last, Term: 1, Data: data})
		}
		if err := w.StoreLogs(group); err != nil {
			b.Fatal(err)
		}
	}
}

// rates are in things per second.
type rates []float64

func rate(n int, do func()) float64 {
	began := time.Now()
	do()
	return float64(n) / time.Since(began).Seconds()
}

func (r rates) median() float64 {
	slices.Sort(r)
	return r[len(r)/2]
}
