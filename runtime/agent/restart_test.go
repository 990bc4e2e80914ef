package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

// TestRestartInEachState ends the daemon while a task is in a state, lets
// something happen, and starts the daemon again. The daemon is stopped, killed,
// or killed before it wrote anything of the task.
func TestRestartInEachState(t *testing.T) {
	slowly := executortest.Behaviour{PrepareTakes: 10 * time.Second, StartTakes: 10 * time.Second}
	for _, tc := range []struct {
		name      string
		behaviour executortest.Behaviour
		desired   specs.State
		wait      time.Duration
		before    specs.State
		meanwhile func(n *node, id string)
		after     specs.State
		words     string
		starts    int
	}{
		{name: "preparing", behaviour: slowly, desired: specs.StateRunning, wait: 5 * time.Second,
			before: specs.StatePreparing, after: specs.StateRunning, starts: 1},
		{name: "ready", desired: specs.StateReady, wait: time.Second,
			before: specs.StateReady, after: specs.StateReady},
		{name: "ready, then wanted", desired: specs.StateReady, wait: time.Second, before: specs.StateReady,
			meanwhile: func(n *node, id string) { n.want(id, specs.StateRunning) }, after: specs.StateRunning, starts: 1},
		{name: "starting", behaviour: slowly, desired: specs.StateRunning, wait: 15 * time.Second,
			before: specs.StateStarting, after: specs.StateRunning, starts: 1},
		{name: "running", desired: specs.StateRunning, wait: time.Second,
			before: specs.StateRunning, after: specs.StateRunning, starts: 1},
		{name: "running, then stopped", desired: specs.StateRunning, wait: time.Second, before: specs.StateRunning,
			meanwhile: func(n *node, id string) { n.want(id, specs.StateShutdown) }, after: specs.StateShutdown, starts: 1},
		{name: "running, ended meanwhile", desired: specs.StateRunning, wait: time.Second, before: specs.StateRunning,
			meanwhile: func(n *node, id string) { n.engine.Kill(id, specs.Exit{Code: 42}) },
			after:     specs.StateFailed, words: "task: non-zero exit (42)", starts: 1},
		{name: "running, removed meanwhile", desired: specs.StateRunning, wait: time.Second, before: specs.StateRunning,
			meanwhile: func(n *node, id string) { n.engine.Lose(id) },
			after:     specs.StateFailed, words: "behind swarmgit's back", starts: 1},
		{name: "running, machine restarted", desired: specs.StateRunning, wait: time.Second, before: specs.StateRunning,
			meanwhile: func(n *node, id string) { n.engine.Reboot() },
			after:     specs.StateFailed, words: "was the machine restarted?", starts: 1},
		{name: "ready, machine restarted", desired: specs.StateReady, wait: time.Second, before: specs.StateReady,
			meanwhile: func(n *node, id string) { n.engine.Reboot() }, after: specs.StateReady},
		{name: "running, engine mute for a while", desired: specs.StateRunning, wait: time.Second, before: specs.StateRunning,
			meanwhile: func(n *node, id string) {
				n.engine.SetMute(true)
				time.AfterFunc(10*time.Second, func() { n.engine.SetMute(false) })
			}, after: specs.StateRunning, starts: 1},
		{name: "running, disk lost", desired: specs.StateRunning, wait: time.Second, before: specs.StateRunning,
			meanwhile: (*node).forgetEverything, after: specs.StateRunning, starts: 1},
		{name: "running, disk damaged", desired: specs.StateRunning, wait: time.Second, before: specs.StateRunning,
			meanwhile: (*node).damageMemory, after: specs.StateRunning, starts: 1},
		{name: "running, disk and container lost", desired: specs.StateRunning, wait: time.Second, before: specs.StateRunning,
			meanwhile: func(n *node, id string) { n.engine.Lose(id); n.forgetEverything(id) },
			after:     specs.StateFailed, words: "behind swarmgit's back", starts: 1},
		{name: "failed, disk lost", behaviour: executortest.Exits(time.Second, 1), desired: specs.StateRunning, wait: 2 * time.Second,
			before: specs.StateFailed, meanwhile: (*node).forgetEverything,
			after: specs.StateFailed, words: "task: non-zero exit (1)", starts: 1},
	} {
		for how, end := range map[string]func(*node){
			"stopped": func(n *node) { n.daemon.stop() },
			"killed":  (*node).crash,
			"killed early": func(n *node) {
				n.crash()
				n.forgetEverything("")
			},
		} {
			t.Run(tc.name+", "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T, c *cluster) {
					n := c.node("n1")
					n.engine.SetImage("web:1", tc.behaviour)
					c.service("shop_web", web)
					id := c.assign("shop_web", "n1", tc.desired)
					after(tc.wait)
					c.sees(id, tc.before)
					end(n)
					if tc.meanwhile != nil {
						tc.meanwhile(n, id)
					}
					n.start()
					after(time.Minute)
					if task := c.sees(id, tc.after); !strings.Contains(task.Seen.Err, tc.words) {
						t.Errorf("says %q, want %q", task.Seen.Err, tc.words)
					}
					if got := n.engine.Starts()[id]; got != tc.starts {
						t.Errorf("started %d times", got)
					}
					if tc.after == specs.StateRunning || tc.after == specs.StateReady {
						n.holds(id)
					} else {
						n.holds()
					}
				})
			})
		}
	}
}

// damageMemory leaves zeros where the node's memory was, as a machine may that loses
// its power.
func (n *node) damageMemory(string) {
	n.Helper()
	if err := errors.Join(os.MkdirAll(n.dir, 0o700), os.WriteFile(filepath.Join(n.dir, "tasks.db"), make([]byte, 1<<15), 0o600)); err != nil {
		n.Fatal(err)
	}
}

// forgetEverything loses the node's disk.
func (n *node) forgetEverything(string) {
	n.Helper()
	if err := os.RemoveAll(n.dir); err != nil {
		n.Fatal(err)
	}
}

func TestWhatNobodyKnowsIsRemovedOnlyOnAManagersWord(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		synctest.Wait()
		n.daemon.stop()
		stray := executor.Task{ID: "stray", Name: "old.1", Spec: web}
		if err := n.engine.Prepare(t.Context(), stray, func(string) {}); err != nil {
			t.Fatal(err)
		}
		if _, err := n.engine.Start(t.Context(), "stray"); err != nil {
			t.Fatal(err)
		}
		n.disconnect()
		n.start()
		after(time.Hour)
		n.holds("stray")
		n.reconnect()
		after(10 * time.Second)
		n.holds()
	})
}

// TestEngineTrouble lets the engine fail in both ways, at each call, and demands
// that every task runs once and ends.
func TestEngineTrouble(t *testing.T) {
	ops := []executortest.Op{
		executortest.OpPrepare, executortest.OpStart, executortest.OpWait, executortest.OpStop,
		executortest.OpRemove, executortest.OpList, executortest.OpDescribe,
	}
	for _, op := range ops {
		for name, fault := range map[string]executortest.Fault{
			"not done": executortest.NotDone, "done but reported failed": executortest.DoneButFailed,
		} {
			t.Run(string(op)+" "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T, c *cluster) {
					n := c.node("n1")
					c.service("shop_web", web)
					failures := 0
					n.engine.SetFault(func(at executortest.Op, _ string) executortest.Fault {
						if at != op || failures >= 2 {
							return 0
						}
						failures++
						return fault
					})
					id := c.assign("shop_web", "n1", specs.StateRunning)
					after(time.Minute)
					c.sees(id, specs.StateRunning)
					n.restart()
					after(time.Minute)
					c.sees(id, specs.StateRunning)
					c.want(id, specs.StateShutdown)
					after(time.Minute)
					c.sees(id, specs.StateShutdown)
					n.holds()
					n.startedOnce()
				})
			})
		}
	}
}

func TestEngineAway(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		running := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(running, specs.StateRunning)
		n.engine.SetDown(true)
		late := c.assign("shop_web", "n1", specs.StateRunning)
		after(time.Minute)
		if task := c.sees(late, specs.StatePreparing); !strings.Contains(task.Seen.Message, "the engine is away") {
			t.Errorf("says %q", task.Seen.Message)
		}
		if task := c.sees(running, specs.StateRunning); !strings.Contains(task.Seen.Message, "the engine") {
			t.Errorf("says %q of a running task", task.Seen.Message)
		}
		n.restart() // the daemon waits for the engine
		after(time.Minute)
		c.sees(running, specs.StateRunning)
		n.engine.SetDown(false)
		after(time.Minute)
		if task := c.sees(running, specs.StateRunning); task.Seen.Message != "" {
			t.Errorf("still says %q", task.Seen.Message)
		}
		c.sees(late, specs.StateRunning)
		n.startedOnce()
	})
}

// TestEngineComesBack leaves the daemon alone: what it said of the engine is not
// true any more.
func TestEngineComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(id, specs.StateRunning)
		n.engine.SetDown(true)
		after(time.Minute)
		if task := c.sees(id, specs.StateRunning); !strings.Contains(task.Seen.Message, "the engine") {
			t.Errorf("says %q", task.Seen.Message)
		}
		n.engine.SetDown(false)
		after(time.Minute)
		if task := c.sees(id, specs.StateRunning); task.Seen.Message != "" {
			t.Errorf("still says %q", task.Seen.Message)
		}
		n.engine.Kill(id, specs.Exit{Code: 4})
		after(time.Minute)
		c.sees(id, specs.StateFailed)
		n.startedOnce()
	})
}
