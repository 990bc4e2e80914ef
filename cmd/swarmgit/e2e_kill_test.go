package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

// The environment replays and lengthens TestKillAtAnyMoment.
const (
	seedVariable  = "SWARMGIT_TEST_SEED"
	killsVariable = "SWARMGIT_TEST_KILLS"
)

// TestKillAtAnyMoment pushes random edits and kills the daemon at a random
// moment of what follows. What git said was ok stays; a task whose spec did not
// change stays the process that it was; no slot gets two tasks for one spec.
func TestKillAtAnyMoment(t *testing.T) {
	c := ownCluster(t)
	seed := number(t, seedVariable, uint64(time.Now().UnixNano()))
	kills := number(t, killsVariable, 50)
	t.Logf("replay with %s=%d", seedVariable, seed)
	s := &killStory{realCluster: c, t: t, rand: rand.New(rand.NewPCG(seed, 0)), version: 1, replicas: 2,
		processes: map[string]int{}, used: map[string]string{}}
	s.acked = s.commit(t, s.files())
	s.mustGit(t, "push", "swarm", "main")
	s.look()
	for range kills {
		s.edit()
		s.pushAndKill()
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		s.nothingLost()
		s.look()
	}
	s.converge()
	t.Logf("%d kills: %d pushes acknowledged, %d cut off; %d different processes", kills, s.took, s.cut, len(s.processes))
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// killStory is a stack of three services: steady never changes, api changes but
// keeps its two slots, web changes its size too.
type killStory struct {
	*realCluster
	t    *testing.T
	rand *rand.Rand

	version, replicas, label, apiEnv, webEnv int

	acked     string
	took, cut int
	processes map[string]int    // task -> its process, as first seen
	used      map[string]string // slot and spec -> the task that has it
}

func (s *killStory) files() map[string]string {
	return map[string]string{"stacks/shop/stack.yml": fmt.Sprintf(`
services:
  steady:
    image: e2e/app:1
    deploy: {replicas: 2, labels: {look: "%[1]d"}}
  api:
    image: e2e/app:%[2]d
    environment: {EDIT: "%[3]d"}
    deploy: {replicas: 2, labels: {look: "%[1]d"}, update_config: {monitor: 100ms}}
  web:
    image: e2e/app:1
    environment: {EDIT: "%[4]d"}
    deploy: {replicas: %[5]d, update_config: {parallelism: 2, monitor: 100ms}}
`, s.label, s.version, s.apiEnv, s.webEnv, s.replicas)}
}

// edit changes one thing or several. A spec that was once is never wanted again.
func (s *killStory) edit() {
	for range 1 + s.rand.IntN(2) {
		switch s.rand.IntN(4) {
		case 0:
			s.version = 1 + s.version%testVersions
			s.apiEnv++
		case 1:
			s.replicas = s.rand.IntN(5)
		case 2:
			s.webEnv++
		case 3:
			s.label++
		}
	}
}

// pushAndKill lets a push and a kill meet.
func (s *killStory) pushAndKill() {
	commit := s.commit(s.t, s.files())
	delay := time.Duration(s.rand.IntN(700)) * time.Millisecond
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		time.Sleep(delay)
		s.kill()
	}()
	_, err := s.git("push", "-o", "no-wait", "swarm", "main")
	<-killed
	if err != nil {
		s.cut++
		return
	}
	s.took++
	s.acked = commit
}

// nothingLost checks that the remote holds every acknowledged commit.
func (s *killStory) nothingLost() {
	s.t.Helper()
	out := s.mustGit(s.t, "ls-remote", "swarm", "refs/heads/main")
	head, _, _ := strings.Cut(out, "\t")
	s.mustGit(s.t, "fetch", "--quiet", "swarm")
	if out, err := s.git("merge-base", "--is-ancestor", s.acked, head); err != nil {
		s.t.Fatalf("git said ok to %s, the remote is at %s: %v %s", s.acked, head, err, out)
	}
}

// look notes which process each task is and checks it against what was noted.
func (s *killStory) look() {
	s.t.Helper()
	for _, task := range s.tasks(s.t) {
		if task.State == specs.StateFailed || task.State == specs.StateRejected || task.State == specs.StateOrphaned {
			s.t.Fatalf("%s (%s) is %s: %s", task.Name, task.ID, task.State, task.Seen.Err)
		}
		s.oneTaskPerSpec(task)
		if task.State != specs.StateRunning || task.Seen.PID == 0 {
			continue
		}
		if pid, ok := s.processes[task.ID]; ok && pid != task.Seen.PID {
			s.t.Fatalf("%s (%s) was process %d and is %d", task.Name, task.ID, pid, task.Seen.PID)
		}
		s.processes[task.ID] = task.Seen.PID
	}
}

// oneTaskPerSpec finds restarts that nobody asked for, where slots never go.
func (s *killStory) oneTaskPerSpec(task api.Task) {
	if task.ServiceName == "shop_web" {
		return // a slot that goes and comes again has its spec again
	}
	key := task.Name + " " + string(task.Spec)
	if other, ok := s.used[key]; ok && other != task.ID {
		s.t.Fatalf("%s has had two tasks for one spec: %s and %s", task.Name, other, task.ID)
	}
	s.used[key] = task.ID
}

// converge pushes what is left to push and compares the end with what is wanted.
func (s *killStory) converge() {
	t := s.t
	s.commit(t, s.files())
	s.mustGit(t, "push", "swarm", "main")
	if out, errs, code := s.swarmgit("wait", "--timeout", "3m"); code != 0 {
		t.Fatalf("wait: %d\n%s%s", code, out, errs)
	}
	want := map[string]int{"shop_steady": 2, "shop_api": 2, "shop_web": s.replicas}
	slots := map[string]string{}
	for _, task := range s.running(t) {
		want[task.ServiceName]--
		slots[task.ID] = task.Name
	}
	for service, missing := range want {
		if missing != 0 {
			t.Errorf("%s: %d tasks are missing", service, missing)
		}
	}
	s.look()
	s.await(t, "only wanted containers run", func() bool { return len(s.containersRunning(t)) == len(slots) })
	for id := range s.containersRunning(t) {
		if slots[id] == "" {
			t.Errorf("container %s runs and is no task's", id)
		}
	}
}
