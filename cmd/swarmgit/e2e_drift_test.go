package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/client"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

func driftStack(replicas int) map[string]string {
	return map[string]string{"stacks/shop/stack.yml": fmt.Sprintf(`services:
  web:
    image: e2e/app:1
    command: [count]
    deploy:
      replicas: %d
      restart_policy: {delay: 0s}
      update_config: {monitor: 100ms}
`, replicas)}
}

// TestDriftIsCorrectedAndRecorded does to containers what is not the cluster's
// doing: each task ends with the reason, is replaced, and leaves nothing. It holds
// after a restart of containerd too, and for what is done while no daemon runs.
func TestDriftIsCorrectedAndRecorded(t *testing.T) {
	c := ownCluster(t)
	c.push(t, driftStack(4))
	pid := c.containerdPID(t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.await(t, "another containerd runs", func() bool {
		next := c.containerdPID(t)
		return next != 0 && next != pid
	})
	c.push(t, driftStack(5)) // it is there for us when it is there for the daemon
	before := c.running(t)
	if len(before) != 5 {
		t.Fatalf("%d tasks run", len(before))
	}
	c.meddle(t, before[0].ID, func(ctx context.Context, _ client.Container, task client.Task) error {
		return task.Kill(ctx, syscall.SIGKILL)
	})
	c.meddle(t, before[1].ID, func(ctx context.Context, _ client.Container, task client.Task) error {
		return task.Pause(ctx)
	})
	c.meddle(t, before[2].ID, func(ctx context.Context, container client.Container, _ client.Task) error {
		_, err := container.SetLabels(ctx, map[string]string{"swarmgit.service": "shop_other"})
		return err
	})
	c.replaced(t, before[:3])
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	c.meddle(t, before[3].ID, func(ctx context.Context, _ client.Container, task client.Task) error {
		return task.Pause(ctx)
	})
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.replaced(t, before[:4])
	if after := c.running(t); after[4].ID != before[4].ID || after[4].Seen.PID != before[4].Seen.PID {
		t.Errorf("the task that nobody touched was replaced")
	}
	out, _, _ := c.swarmgit("service", "ps", "--no-trunc", "shop_web")
	for _, words := range []string{
		"task: non-zero exit (137): ended by SIGKILL, which swarmgit did not send",
		"task: it was paused behind swarmgit's back", "task: its container was changed behind swarmgit's back",
	} {
		if !strings.Contains(out, words) {
			t.Errorf("service ps does not say %q:\n%s", words, out)
		}
	}
}

// meddle does something to a task's container as another client of containerd.
func (c *realCluster) meddle(t testing.TB, id string, do func(context.Context, client.Container, client.Task) error) {
	t.Helper()
	c.inContainerd(t, func(ctx context.Context, cl *client.Client) error {
		container, err := cl.LoadContainer(ctx, id)
		if err != nil {
			return err
		}
		task, err := container.Task(ctx, nil)
		if err != nil {
			return err
		}
		return do(ctx, container, task)
	})
}

// replaced returns once other tasks run in the slots of these, of which nothing is
// left but their logs.
func (c *realCluster) replaced(t testing.TB, old []api.Task) {
	t.Helper()
	var ids []string
	for _, task := range old {
		ids = append(ids, task.ID)
	}
	c.await(t, "the tasks are replaced", func() bool {
		now := c.running(t)
		if len(now) != 5 {
			return false
		}
		for i := range old {
			if now[i].ID == old[i].ID {
				return false
			}
		}
		isLog := func(left string) bool { return strings.HasPrefix(left, "path "+c.path("data/logs")) }
		return len(slices.DeleteFunc(c.leftovers(t, ids), isLog)) == 0
	})
}
