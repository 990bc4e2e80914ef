package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"syscall"
	"testing"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"
	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
)

const (
	replicas         = 100
	replicasMaxRatio = 1.3

	// A machine that is busy with other things gets fewer pairs, in less time.
	replicasPairs    = 10
	replicasMinPairs = 3
	replicasTime     = 4 * time.Minute
)

// replicasStack is a service that stays, whose container the reference copies, and
// the one that is measured.
func replicasStack(count int) map[string]string {
	service := `
    image: e2e/app:1
    deploy:
      replicas: %d
      resources: {limits: {cpus: '0.5', memory: 64M, pids: 50}}
`
	return map[string]string{"stacks/shop/stack.yml": "services:\n  model:" + fmt.Sprintf(service, 1) + "  web:" + fmt.Sprintf(service, count)}
}

// BenchmarkReplicas compares a hundred tasks of one service, from the commit of a
// push to the last one RUNNING, with the same containers made by a loop over
// containerd's client, as many at a time as is best: with the log keeper's pipes,
// and with none. They are made in turn. ns/op means nothing.
func BenchmarkReplicas(b *testing.B) {
	c := ownCluster(b)
	c.push(b, replicasStack(0))
	c.await(b, "the model runs", func() bool { return len(c.running(b)) == 1 })
	loop := c.newBareLoop(b, c.running(b)[0].ID)
	loop.chooseParallel(b)
	var logged, null, pushed executortest.Pairs
	for b.Loop() {
		began := time.Now()
		for pair := 0; pair < replicasMinPairs || pair < replicasPairs && time.Since(began) < replicasTime; pair++ {
			commit, push := c.replicas(b)
			bare := loop.run(b, loop.keeper)
			logged.Add(commit, bare)
			pushed.Add(push, bare)
			null.Add(commit, loop.run(b, cio.NullIO))
		}
	}
	b.Logf("the loop makes %d containers at a time", loop.parallel)
	logged.Report(b, "100 replicas commit to RUNNING", replicasMaxRatio)
	null.Report(b, "100 replicas against a null log", replicasMaxRatio)
	pushed.Report(b, "100 replicas push to RUNNING", replicasMaxRatio)
}

// replicas brings the tasks to RUNNING and removes them, and returns how long the
// first took.
func (c *realCluster) replicas(b *testing.B) (commit, push time.Duration) {
	b.Helper()
	c.commit(b, replicasStack(replicas))
	began := time.Now()
	c.mustGit(b, "push", "--quiet", "-o", "no-wait", "swarm", "main")
	var running []api.Task
	c.await(b, "all replicas run", func() bool {
		time.Sleep(scaleLook)
		running = slices.DeleteFunc(c.running(b), func(t api.Task) bool { return t.ServiceName != "shop_web" })
		return len(running) == replicas
	})
	committed, last := running[0].Created, running[0].Seen.Running
	for _, task := range running {
		if task.Created.Before(committed) {
			committed = task.Created
		}
		if task.Seen.Running.After(last) {
			last = task.Seen.Running
		}
	}
	c.commit(b, replicasStack(0))
	c.mustGit(b, "push", "--quiet", "-o", "no-wait", "-o", "allow-removal", "swarm", "main")
	c.await(b, "no replica is left", func() bool {
		time.Sleep(scaleLook)
		return len(c.containersRunning(b)) == 1
	})
	return last.Sub(committed), last.Sub(began)
}

// bareLoop makes containers by the client's own calls alone.
type bareLoop struct {
	cluster  *realCluster
	model    containers.Container
	spec     oci.Spec
	parallel int
	serial   int
}

// newBareLoop makes containers that are like that of a task of ours.
func (c *realCluster) newBareLoop(b *testing.B, model string) *bareLoop {
	b.Helper()
	loop := &bareLoop{cluster: c}
	c.inContainerd(b, func(ctx context.Context, cl *client.Client) error {
		found, err := cl.LoadContainer(ctx, model)
		if err != nil {
			return err
		}
		if loop.model, err = found.Info(ctx); err != nil {
			return err
		}
		spec, err := found.Spec(ctx)
		if err == nil {
			loop.spec = *spec
		}
		return err
	})
	return loop
}

// chooseParallel tries how many containers at a time are best.
func (l *bareLoop) chooseParallel(b *testing.B) {
	b.Helper()
	best, fastest := 0, time.Duration(0)
	for _, l.parallel = range []int{2, 4, 8, 16, 32} {
		took := l.run(b, l.keeper)
		b.Logf("the loop with %d at a time takes %s", l.parallel, took.Round(time.Millisecond))
		if best == 0 || took < fastest {
			best, fastest = l.parallel, took
		}
	}
	l.parallel = best
}

// keeper has a container write to the node's log keeper, as a task of ours does.
func (l *bareLoop) keeper(id string) (cio.IO, error) {
	stdout, stderr, err := newNodeLogs(l.cluster.path("data"), quietLog()).Open(context.Background(), id)
	if err != nil {
		return nil, err
	}
	return cio.Load(cio.NewFIFOSet(cio.Config{Stdout: stdout, Stderr: stderr}, nil))
}

// run makes the containers, returns how long it took until the last one was
// started, and removes them.
func (l *bareLoop) run(b *testing.B, output cio.Creator) (took time.Duration) {
	b.Helper()
	l.cluster.inContainerd(b, func(ctx context.Context, cl *client.Client) error {
		began := time.Now()
		image, err := cl.GetImage(ctx, l.model.Image)
		if err != nil {
			return err
		}
		made := make([]client.Task, replicas)
		err = atATime(l.parallel, func(i int) (err error) {
			made[i], err = l.start(ctx, cl, image, fmt.Sprintf("bare-%d-%d", l.serial, i), output)
			return err
		})
		took = time.Since(began)
		l.serial++
		if err != nil {
			return err
		}
		return atATime(replicas, func(i int) error { return l.remove(ctx, cl, made[i]) })
	})
	return took
}

// atATime does something for each container.
func atATime(limit int, do func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(limit)
	for i := range replicas {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}

func (l *bareLoop) start(ctx context.Context, cl *client.Client, image client.Image, id string, output cio.Creator) (client.Task, error) {
	spec, linux := l.spec, *l.spec.Linux
	linux.CgroupsPath = path.Join(path.Dir(linux.CgroupsPath), id)
	spec.Linux = &linux
	container, err := cl.NewContainer(ctx, id, client.WithSnapshotter(l.model.Snapshotter), client.WithNewSnapshot(id, image),
		client.WithSpec(&spec), client.WithRuntime(l.model.Runtime.Name, l.model.Runtime.Options))
	if err != nil {
		return nil, err
	}
	task, err := container.NewTask(ctx, output)
	if err != nil {
		return nil, err
	}
	return task, task.Start(ctx)
}

func (l *bareLoop) remove(ctx context.Context, cl *client.Client, task client.Task) error {
	exit, err := task.Wait(ctx)
	if err != nil {
		return err
	}
	if _, err := cl.TaskService().Kill(ctx, &tasksapi.KillRequest{ContainerID: task.ID(), Signal: uint32(syscall.SIGKILL), All: true}); err != nil {
		return err
	}
	<-exit
	if _, err := task.Delete(ctx); err != nil {
		return err
	}
	container, err := cl.LoadContainer(ctx, task.ID())
	if err != nil {
		return err
	}
	if err := container.Delete(ctx, client.WithSnapshotCleanup); err != nil {
		return err
	}
	return newNodeLogs(l.cluster.path("data"), quietLog()).Remove(ctx, task.ID())
}
