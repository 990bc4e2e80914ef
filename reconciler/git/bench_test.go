package git

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkPush interleaves a push to the cluster with the same push to a bare
// repository on disk with two empty shell hooks, and reports the medians.
func BenchmarkPush(b *testing.B) {
	t := &testing.T{}
	repo, err := Open(b.Context(), filepath.Join(b.TempDir(), "main.git"))
	if err != nil {
		b.Fatal(err)
	}
	defer repo.Close()
	s := serve(t, repo)
	defer s.http.Close()
	bare := filepath.Join(b.TempDir(), "bare.git")
	c := &clone{t, b.TempDir()}
	c.git("init", "-q", "--bare", bare)
	for _, hook := range []string{"pre-receive", "update"} {
		os.WriteFile(filepath.Join(bare, "hooks", hook), []byte("#!/bin/sh\nexit 0\n"), 0o755)
	}
	c.git("init", "-q", "-b", "main")
	c.git("remote", "add", "swarm", s.url())
	c.git("remote", "add", "bare", bare)
	var ours, theirs []time.Duration
	push := func(remote string) time.Duration {
		start := time.Now()
		c.git("push", "-q", remote, "main")
		return time.Since(start)
	}
	for b.Loop() {
		c.commit("stacks/shop/stack.yml", time.Now().String(), "edit")
		theirs = append(theirs, push("bare"))
		ours = append(ours, push("swarm"))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(float64(ours[len(ours)/2].Microseconds())/1000, "ms/push")
	b.ReportMetric(float64(theirs[len(theirs)/2].Microseconds())/1000, "ms/bare-push")
}
