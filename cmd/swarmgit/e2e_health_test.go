package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// checked is a stack with a service whose health is checked five times a second.
func checked(image, test string) map[string]string {
	return map[string]string{"stacks/shop/stack.yml": fmt.Sprintf(`services:
  web:
    image: %s
    stop_grace_period: 1s
    healthcheck: {test: [CMD, /app, check, %q], interval: 200ms, retries: 2}
    deploy:
      restart_policy: {delay: 0s}
      update_config: {monitor: 1s}
`, image, test)}
}

// TestHealthAndExec is a service that is healthy, in which somebody runs commands,
// that falls ill and is replaced; then one that never gets healthy.
func TestHealthAndExec(t *testing.T) {
	c := theCluster(t)
	out := c.push(t, checked("e2e/app:1", ""))
	wantWords(t, out, "healthy")
	first := c.running(t)[0]
	inspected, _, _ := c.swarmgit("task", "inspect", "shop_web.1")
	wantWords(t, inspected, `"state": "healthy"`, `"name": "shop_web.1"`, `"CMD"`)

	cmd := c.command(executable(), "exec", "-i", first.ID[:8], "/app", "copy")
	cmd.Stdin = strings.NewReader("through and back")
	if text, err := cmd.CombinedOutput(); err != nil || string(text) != "through and back" {
		t.Errorf("exec -i: %v: %q", err, text)
	}
	for _, try := range []struct {
		args  string
		code  int
		words string
	}{
		{"exec shop/web.1 /app check -", 3, "no good: -"},
		{"exec -e VERSION=mine shop_web.1 /app version", 0, "mine"},
		{"exec shop_web.1 /nosuch", 126, "executable file not found in the image"},
		{"exec shop_web.2 /app", 125, "no such task: shop_web.2"},
	} {
		out, errs, code := c.swarmgit(strings.Fields(try.args)...)
		if code != try.code || !strings.Contains(out+errs, try.words) {
			t.Errorf("%s exits %d, not %d: %q, want %q", try.args, code, try.code, out+errs, try.words)
		}
	}
	c.swarmgit("exec", "shop_web.1", "/app", "mark") // from now on it is ill, and ends soon with all that runs in it
	c.await(t, "the task that is ill is replaced", func() bool {
		running := c.running(t)
		return len(running) == 1 && running[0].ID != first.ID
	})
	out, _, _ = c.swarmgit("service", "ps", "--no-trunc", "shop_web")
	wantWords(t, out, "task: unhealthy container: health check failed 2 times in a row: exit code 3: no good: marked")

	out = c.push(t, checked("e2e/app:2", "this version"))
	wantWords(t, out, "paused", "no good: this version")
	c.push(t, checked("e2e/app:3", "")) // and the next one is taken
}

func TestHostPortIsTakenOnce(t *testing.T) {
	c := theCluster(t)
	stack := shop("e2e/app:1", 2)
	const file = "stacks/shop/stack.yml"
	stack[file] = strings.Replace(stack[file], "    deploy:", "    ports: [{mode: host, target: 18765, published: 18765}]\n    deploy:", 1)
	c.commit(t, stack)
	push := c.command("git", "push", "swarm", "main") // it would watch a task that waits
	if err := push.Start(); err != nil {
		t.Fatal(err)
	}
	const reason = "no suitable node (host-mode port 18765/tcp already in use on 1 node)"
	c.await(t, "one task has the port and the other one waits for it", func() bool {
		waiting := false
		for _, task := range c.tasks(t) {
			waiting = waiting || task.State == specs.StatePending && task.Want.Reason == reason
		}
		return waiting && len(c.running(t)) == 1
	})
	if out, _, _ := c.swarmgit("service", "ps", "shop_web"); strings.Count(out, "*:18765->18765/tcp") != 1 {
		t.Errorf("which task has the port:\n%s", out)
	}
	c.push(t, shop("e2e/app:1", 1))
	_ = push.Wait()
}
