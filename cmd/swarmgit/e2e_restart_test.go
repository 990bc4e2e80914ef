package main

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"
)

// followEvents runs "events -f" until a line has all the words, and then Ctrl-C.
func (c *realCluster) followEvents(t *testing.T, do func(), words ...string) {
	t.Helper()
	cmd := c.command(executable(), "events", "-f")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	lines, told := bufio.NewScanner(out), false
	for first := true; !told && lines.Scan(); first = false {
		if first {
			do()
		}
		told = true
		for _, word := range words {
			told = told && strings.Contains(lines.Text(), word)
		}
	}
	if !told {
		t.Errorf("nothing was told of %q", words)
	}
	_ = cmd.Process.Signal(os.Interrupt) // that it has ended by itself shows below
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("events -f after Ctrl-C: %v", err)
	}
}

// An operator restarts a service: each task is replaced, the next plan knows
// nothing of it, and the cluster remembers who did what.
func TestRestartAndEvents(t *testing.T) {
	needPrograms(t, "git")
	c := memoryCluster(t)
	says := func(code int, args []string, words ...string) {
		t.Helper()
		out, errs, got := c.swarmgit(args...)
		if got != code {
			t.Errorf("swarmgit %v exits %d: %s%s", args, got, out, errs)
		}
		wantWords(t, out+errs, words...)
	}
	c.push(t, shop("e2e/app:1", 2))
	before := make(map[string]bool)
	for _, task := range c.running(t) {
		before[task.ID] = true
	}
	c.followEvents(t, func() {
		says(0, []string{"service", "restart", "shop/web"}, "shop_web restarts", "completed: shop_web")
	}, "task      stopping    shop_web.2 on ", "restarted by an operator")
	after := c.running(t)
	for _, task := range after {
		if before[task.ID] {
			t.Errorf("%s was not replaced", task.Name)
		}
	}
	if len(after) != 2 {
		t.Errorf("%d tasks run", len(after))
	}
	says(0, []string{"service", "ps", "shop_web"}, `"restarted by an operator"`)
	says(0, []string{"plan"}, "NO CHANGES")
	c.push(t, shop("e2e/app:1", 2))
	for i, task := range c.running(t) {
		if task.ID != after[i].ID {
			t.Errorf("the next push replaced %s", task.Name)
		}
	}
	says(1, []string{"service", "restart", "shop_wab"}, "shop_wab", "shop_web")
	says(0, []string{"events"}, "leader", "elected", "created", "shop_web.1", "restart", "completed")
	says(0, []string{"events", "--filter", "type=service", "-o", "json"}, `"shop_web"`, `"completed"`)
	says(1, []string{"events", "--filter", "color=red"}, "color")
}
