package main

import (
	"os"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

// clockVariable in the environment of a daemon of the tests is a file that says how
// far its manager's wall clock is ahead. The system's clock is everybody's.
const clockVariable = "SWARMGIT_TEST_CLOCK"

// aheadBy reads how far a clock is ahead.
func aheadBy(path string) time.Duration {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0 // it was never set
	}
	ahead, err := time.ParseDuration(string(text))
	if err != nil {
		panic(err)
	}
	return ahead
}

// setClock has the manager's wall clock jump.
func (c *realCluster) setClock(t testing.TB, ahead time.Duration) {
	t.Helper()
	do(t, os.WriteFile(c.path("clock.new"), []byte(ahead.String()), 0o600))
	do(t, os.Rename(c.path("clock.new"), c.path("clock")))
}

// clockJumps sets the clocks of all managers wrong, each in another way, first while
// one of them leads, then before another does, and before one begins with a wrong one:
// the cluster's time goes on as if nothing had been.
func clockJumps(t *testing.T, f *realFleet) {
	defer func() {
		for _, n := range f.nodes {
			n.setClock(t, 0)
		}
	}()
	for _, by := range []time.Duration{36 * time.Hour, -36 * time.Hour} {
		leader := f.awaitLeader(t)
		others := f.followers(leader)
		leader.setClock(t, by)
		f.timely(t, note(t, f.person(t, others[0])))
		others[0].setClock(t, by)
		others[1].setClock(t, -by)
		leader.kill()
		f.awaitLeader(t, leader)
		f.timely(t, note(t, f.person(t, others[0])))
		f.launch(t, leader)
		f.allVote(t)
	}
}

// timely checks that a commit was taken at the time that it is.
func (f *realFleet) timely(t testing.TB, commit string) {
	t.Helper()
	status, err := ask(f.awaitLeader(t), api.GetStatus.Call, api.Empty{})
	do(t, err)
	rev := status.Revision
	if rev == nil || rev.Commit != commit {
		t.Fatalf("the cluster is at %+v, want %s", rev, commit)
	}
	if ago := time.Since(rev.Created); ago.Abs() > time.Hour {
		t.Errorf("%s was taken %s ago, as the cluster says", commit, ago)
	}
}
