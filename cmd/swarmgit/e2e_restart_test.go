package main

import "testing"

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
	says(0, []string{"service", "restart", "shop/web"}, "shop_web restarts", "completed: shop_web")
	after := c.running(t)
	for _, task := range after {
		if before[task.ID] {
			t.Errorf("%s was not replaced", task.Name)
		}
	}
	if len(after) != 2 {
		t.Errorf("%d tasks run", len(after))
	}
	says(0, []string{"plan"}, "NO CHANGES")
	says(1, []string{"service", "restart", "shop_wab"}, "shop_wab", "shop_web")
	says(0, []string{"events"}, "leader", "elected", "created", "shop_web.1", "restart", "completed")
	says(0, []string{"events", "--filter", "type=service", "-o", "json"}, `"shop_web"`, `"completed"`)
	says(1, []string{"events", "--filter", "color=red"}, "color")
}
