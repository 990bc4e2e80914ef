package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

// benchPairs is how often BenchmarkPush measures, in one run.
const benchPairs = 30

// BenchmarkPush measures what swarmgit adds between `git push` and RUNNING: the
// push of one service, minus the same push to a bare repository with two empty
// hooks, minus a bare create and start, turn about. ns/op means nothing.
func BenchmarkPush(b *testing.B) {
	c := ownCluster(b)
	bare := c.bareRepository(b)
	stages := map[string][]time.Duration{}
	note := func(stage string, took time.Duration) { stages[stage] = append(stages[stage], took) }
	for b.Loop() {
		for i := range benchPairs {
			c.commit(b, shop("e2e/app:1", 1))
			pushed := c.timed(b, bare)
			began := time.Now()
			c.mustGit(b, "push", "--quiet", "-o", "no-wait", "swarm", "main")
			returned := time.Since(began)
			start := c.bareStart(b, fmt.Sprintf("bare-%d", i))
			created, planned, running := c.times(b)

			note("1 push to RUNNING", running.Sub(began))
			note("2 bare push", pushed)
			note("3 bare create and start", start)
			note("4 added by swarmgit", running.Sub(began)-pushed-start)
			note("5 connect, receive, check, plan", planned.Sub(began))
			note("6 commit, schedule", created.Sub(planned))
			note("7 dispatch, prepare, start", running.Sub(created))
			note("8 push -o no-wait returns", returned)

			c.commit(b, map[string]string{"stacks": ""})
			c.timed(b, bare)
			c.mustGit(b, "push", "--quiet", "swarm", "main")
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	b.Logf("milliseconds: p25 p50 p75 of %d, load %s", len(stages["1 push to RUNNING"]), strings.TrimSpace(string(load)))
	for _, stage := range slices.Sorted(maps.Keys(stages)) {
		took := stages[stage]
		slices.Sort(took)
		at := func(quarter int) float64 { return float64(took[len(took)*quarter/4].Microseconds()) / 1000 }
		b.Logf("%-33s %6.1f %6.1f %6.1f", stage[2:], at(1), at(2), at(3))
		if strings.HasPrefix(stage, "4") {
			b.ReportMetric(at(2), "added-ms")
		}
	}
}

// bareRepository is a remote that does nothing but keep: two hooks say yes.
func (c *realCluster) bareRepository(b *testing.B) string {
	b.Helper()
	path := c.path("bare.git")
	c.mustGit(b, "init", "--quiet", "--bare", path)
	for _, hook := range []string{"pre-receive", "post-receive"} {
		if err := os.WriteFile(filepath.Join(path, "hooks", hook), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	return path
}

func (c *realCluster) timed(b *testing.B, remote string) time.Duration {
	b.Helper()
	began := time.Now()
	c.mustGit(b, "push", "--quiet", remote, "main")
	return time.Since(began)
}

// times are when the one task was created and RUNNING, and when the revision was
// written that asked for it, from their own rows.
func (c *realCluster) times(b *testing.B) (created, planned, running time.Time) {
	b.Helper()
	c.await(b, "the task runs", func() bool { return len(c.running(b)) == 1 })
	task := c.running(b)[0]
	revisions, err := ask(c, api.ListRevisions.Call, api.ListRevisionsRequest{Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	return task.Created, revisions.Revisions[0].Created, task.Seen.Running
}

// bareStart takes one container to its start with the client's own calls.
func (c *realCluster) bareStart(b *testing.B, id string) (took time.Duration) {
	b.Helper()
	c.inContainerd(b, func(ctx context.Context, cl *client.Client) error {
		began := time.Now()
		image, err := cl.GetImage(ctx, "docker.io/e2e/app:1")
		if err != nil {
			return err
		}
		container, err := cl.NewContainer(ctx, id, client.WithNewSnapshot(id, image), client.WithNewSpec(oci.WithImageConfig(image)))
		if err != nil {
			return err
		}
		task, err := container.NewTask(ctx, cio.NullIO)
		if err != nil {
			return err
		}
		if err := task.Start(ctx); err != nil {
			return err
		}
		took = time.Since(began)
		return endBare(ctx, cl, task)
	})
	return took
}
