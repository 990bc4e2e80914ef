package main

import (
	"strings"
	"testing"
)

// outsideSource adds a source on a manager that does not lead. The leader follows
// it, and when it is killed the next one does, which takes nothing twice.
func outsideSource(t *testing.T, f *realFleet) {
	up, leader := newUpstream(t), f.awaitLeader(t)
	asked := f.followers(leader)[0]
	first := up.commit(t, map[string]string{"stacks/lab/stack.yml": strings.ReplaceAll(steadyStack, "4", "1")})
	wantWords(t, f.must(t, asked, "source", "add", "lab", up.path("clone"), "--interval", "1h"), first[:7])
	wantWords(t, f.must(t, asked, "wait", first), "healthy: "+first[:7])
	asked.followEvents(t, func() {
		leader.kill()
		next := f.awaitLeader(t, leader)
		wantWords(t, f.must(t, next, "source", "sync", "lab"), "lab is at "+first[:7]+": healthy")
		second := up.commit(t, map[string]string{"stacks/lab/stack.yml": strings.NewReplacer("4", "1", "web:", "late:").Replace(steadyStack)})
		wantWords(t, f.must(t, next, "source", "sync", "lab"), second[:7]+" rolling out")
		wantWords(t, f.must(t, next, "wait", second), "healthy: "+second[:7])
	}, "service", "created", "lab_late")
	f.launch(t, leader)
	f.allVote(t)
	revisions := f.must(t, leader, "revisions")
	if n := strings.Count(revisions, " lab "); n != 2 {
		t.Errorf("two commits are %d revisions:\n%s", n, revisions)
	}
	f.must(t, asked, "source", "rm", "lab", "--prune", "--yes")
	f.await(t, "the source's tasks are gone", func() bool { return !strings.Contains(f.must(t, leader, "stack", "ls"), "lab") })
}
