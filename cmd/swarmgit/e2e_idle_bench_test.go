package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
)

const (
	idleSettled = time.Minute      // after the last of the containers runs
	idlePeriod  = 30 * time.Second // during which its processor time is measured
	idleMaxMiB  = 60
)

// BenchmarkIdle measures what a daemon that is manager and worker holds and uses
// while its ten containers do nothing. ns/op means nothing.
func BenchmarkIdle(b *testing.B) {
	c := ownCluster(b)
	if err := c.stop(); err != nil {
		b.Fatal(err)
	}
	c.program = asPeopleHaveIt(b)
	if err := c.start(); err != nil {
		b.Fatal(err)
	}
	c.push(b, replicasStack(9))
	c.await(b, "ten containers run", func() bool { return len(c.running(b)) == 10 })
	daemon := c.daemon.Process.Pid
	for b.Loop() {
		time.Sleep(idleSettled)
		used := cpuTime(b, daemon)
		time.Sleep(idlePeriod)
		share := 100 * (cpuTime(b, daemon) - used).Seconds() / idlePeriod.Seconds()
		resident, verdict := residentMiB(daemon), "reached"
		if resident > idleMaxMiB {
			verdict = "MISSED"
		}
		b.Logf("idle daemon with 10 containers: RSS %d MiB, to reach %d: %s; %.2f %% of a core; %s",
			resident, idleMaxMiB, verdict, share, executortest.Circumstances(b))
		b.ReportMetric(float64(resident), "MiB")
		b.ReportMetric(share, "%core")
	}
}

// asPeopleHaveIt builds the program without the tests, which would count too.
func asPeopleHaveIt(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "swarmgit")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build swarmgit: %v: %s", err, out)
	}
	return path
}
