package consensus

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkFailover cuts off the leader of three managers on disk and TCP again
// and again, on a machine with twice as much to do as it has cores, and tells
// how long it takes until another leads, and how often one was elected although
// nothing had happened.
func BenchmarkFailover(b *testing.B) {
	const rounds, quiet = 15, 2 * time.Second
	load(b, 2*runtime.NumCPU())
	var took []time.Duration
	needless := 0
	for b.Loop() {
		managers := onDisk(b, 3)
		leader := 0
		for range rounds {
			before := managers[leader].raft.CurrentTerm()
			<-time.After(quiet)
			lead := leading(b, managers...)
			needless += int(managers[lead].raft.CurrentTerm() - before)
			leader = lead
			began := time.Now()
			_ = managers[leader].gate.Transport.Close() // the network alone: as if the process were killed
			others := slices.Delete(slices.Clone(managers), leader, leader+1)
			leading(b, others...)
			took = append(took, time.Since(began))
			managers[leader] = reopen(b, managers[leader])
			leader = leading(b, managers...)
			admitted(b, managers[leader], managers...)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "max-ms")
	b.ReportMetric(float64(needless), "needless-elections")
}

// burning is set only in the processes that load starts.
const burning = "SWARMGIT_TEST_BURN"

// TestBurn uses one core until it is killed.
func TestBurn(t *testing.T) {
	if os.Getenv(burning) == "" {
		t.Skip("runs only as a child of BenchmarkFailover")
	}
	for sum := [sha256.Size]byte{}; ; {
		sum = sha256.Sum256(sum[:])
	}
}

// load keeps n processes busy until the benchmark ends.
func load(b *testing.B, n int) {
	b.Helper()
	for range n {
		child := exec.Command(os.Args[0], "-test.run=^TestBurn$")
		child.Env = append(os.Environ(), burning+"=1")
		if err := child.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = errors.Join(child.Process.Kill(), child.Wait()) })
	}
}

// leading waits until one of the managers leads, and tells which.
func leading(b *testing.B, managers ...running) int {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	first := make(chan int, len(managers))
	for i, m := range managers {
		go func() {
			if _, err := m.Leading(ctx); err == nil {
				first <- i
			}
		}()
	}
	select {
	case i := <-first:
		return i
	case <-ctx.Done():
		b.Error("nobody leads")
		return 0
	}
}

// reopen starts a manager again, at another address.
func reopen(b *testing.B, m running) running {
	b.Helper()
	m.stop()
	cfg := m.cfg
	cfg.Store, cfg.Network = nil, listenLoopback(b)
	return run(b, cfg)
}
