package agent_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

func TestTaskRunsAndStops(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		synctest.Wait()
		if got := n.status(); got != specs.NodeReady {
			t.Fatalf("the node is %s", got)
		}
		c.service("shop_web", web)
		start := time.Now()
		id := c.assign("shop_web", "n1", specs.StateRunning)
		if task := c.sees(id, specs.StateRunning); task.Seen.PID == 0 || task.Seen.Running.IsZero() {
			t.Errorf("seen %+v", task.Seen)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("an idle cluster took %s to get a task to RUNNING", took)
		}

		c.want(id, specs.StateShutdown)
		after(time.Second)
		if task := c.sees(id, specs.StateShutdown); task.Seen.Exit == nil || task.Seen.Exit.Code != 143 {
			t.Errorf("seen %+v", task.Seen)
		}
		n.holds()
	})
}

func TestReadyTaskWaitsForItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateReady)
		c.sees(id, specs.StateReady)
		after(time.Hour)
		c.sees(id, specs.StateReady)
		start := time.Now()
		c.want(id, specs.StateRunning)
		c.sees(id, specs.StateRunning)
		if took := time.Since(start); took != 0 {
			t.Errorf("to RUNNING took %s", took)
		}
		n.holds(id)
	})
}

func TestEnds(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.engine.SetImage("missing:1", executortest.NoSuchImage("missing:1"))
		n.engine.SetImage("bad:1", executortest.Behaviour{StartErr: "no such binary"})
		n.engine.SetImage("job:1", executortest.Exits(time.Second, 0))
		n.engine.SetImage("crash:1", executortest.Exits(time.Second, 3))
		n.engine.SetImage("greedy:1", executortest.Behaviour{RunsFor: time.Second, Exit: specs.Exit{Code: 137, OOM: true}})
		for _, tc := range []struct {
			image string
			state specs.State
			words string
		}{
			{"missing:1", specs.StateRejected, "no such image"},
			{"bad:1", specs.StateFailed, "no such binary"},
			{"job:1", specs.StateComplete, ""},
			{"crash:1", specs.StateFailed, "task: non-zero exit (3)"},
			{"greedy:1", specs.StateFailed, "task: non-zero exit (137): killed, out of memory (limit 64M)"},
		} {
			c.service(tc.image, specs.TaskSpec{Image: tc.image, Limits: specs.Limits{Memory: 64 << 20}})
			id := c.assign(tc.image, "n1", specs.StateRunning)
			after(2 * time.Second)
			if task := c.sees(id, tc.state); !strings.Contains(task.Seen.Err, tc.words) {
				t.Errorf("%s: %q", tc.image, task.Seen.Err)
			}
		}
		n.holds()
	})
}

func TestProgressOfASlowPrepareIsSeen(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.engine.SetImage("web:1", executortest.Behaviour{PrepareTakes: time.Minute})
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		after(time.Second)
		c.sees(id, specs.StatePreparing)
		c.want(id, specs.StateShutdown)
		after(time.Second) // the pull is given up
		c.sees(id, specs.StateShutdown)
		n.holds()
	})
}

func TestKilledBehindOurBack(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		killed := c.assign("shop_web", "n1", specs.StateRunning)
		lost := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(lost, specs.StateRunning)
		n.engine.Kill(killed, specs.Exit{Code: 137})
		n.engine.Lose(lost)
		after(time.Second) // reports that follow others wait for more
		if task := c.sees(killed, specs.StateFailed); task.Seen.Exit.Code != 137 {
			t.Errorf("seen %+v", task.Seen)
		}
		if task := c.sees(lost, specs.StateFailed); !strings.Contains(task.Seen.Err, "behind swarmgit's back") {
			t.Errorf("seen %+v", task.Seen)
		}
	})
}

func TestTasksGoOnWithoutAManager(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		kept := c.assign("shop_web", "n1", specs.StateRunning)
		ends := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(ends, specs.StateRunning)

		n.disconnect()
		after(14 * time.Second)
		if got := n.status(); got != specs.NodeReady {
			t.Errorf("%s within its grace", got)
		}
		after(2 * time.Second)
		if got := n.status(); got != specs.NodeDown {
			t.Errorf("%s after its grace", got)
		}
		n.engine.Kill(ends, specs.Exit{Code: 9})
		after(time.Second)
		n.restart() // also the daemon, without a manager
		after(time.Hour)
		n.holds(kept)

		n.reconnect()
		after(10 * time.Second)
		if got := n.status(); got != specs.NodeReady {
			t.Errorf("%s when it is back", got)
		}
		c.sees(kept, specs.StateRunning)
		if task := c.sees(ends, specs.StateFailed); task.Seen.Exit.Code != 9 {
			t.Errorf("seen %+v", task.Seen)
		}
		n.startedOnce()
	})
}

func TestDeadConnectionIsLeftInTime(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		after(time.Minute)
		n.freeze()
		id := c.assign("shop_web", "n1", specs.StateRunning)
		for range 120 {
			after(time.Second)
			if got := n.status(); got != specs.NodeReady {
				t.Fatalf("the node is %s", got)
			}
		}
		c.sees(id, specs.StateRunning)
	})
}

func TestGivenUpTaskEndsWhenItsNodeIsBack(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(id, specs.StateRunning)
		n.disconnect()
		after(25 * time.Hour)
		c.sees(id, specs.StateOrphaned)
		n.holds(id)
		n.reconnect()
		after(10 * time.Second)
		c.sees(id, specs.StateOrphaned)
		n.holds()
	})
}

func TestNewLeader(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(id, specs.StateRunning)
		entries := c.entries
		c.leading.stop()
		n.engine.Kill(id, specs.Exit{Code: 1})
		after(20 * time.Second)
		if !c.dispatcher.Heard("n1").IsZero() {
			t.Error("nobody leads and somebody is heard")
		}
		c.lead()
		after(10 * time.Second)
		c.sees(id, specs.StateFailed)
		if c.dispatcher.Heard("n1").IsZero() || n.status() != specs.NodeReady {
			t.Errorf("heard: %v, %s", c.dispatcher.Heard("n1"), n.status())
		}
		if got := c.entries - entries; got != 1 {
			t.Errorf("%d entries, want the one end", got)
		}
	})
}

// Its tasks run: the next leader must not take them for lost.
func TestNewLeaderWhileTheEngineIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(id, specs.StateRunning)
		n.engine.SetDown(true)
		c.leading.stop()
		after(20 * time.Second)
		c.lead()
		after(time.Minute)
		if c.sees(id, specs.StateRunning); c.dispatcher.Heard("n1").IsZero() || n.status() != specs.NodeReady {
			t.Errorf("heard: %v, %s", c.dispatcher.Heard("n1"), n.status())
		}
	})
}

func TestNewsThatKeepComingGoTogether(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		synctest.Wait()
		var ids []string
		for range 200 {
			ids = append(ids, c.assign("shop_web", "n1", specs.StateRunning))
		}
		after(10 * time.Second)
		entries := c.entries
		for _, id := range ids {
			n.engine.Kill(id, specs.Exit{Code: 1})
			after(5 * time.Millisecond)
		}
		after(time.Second)
		for _, id := range ids {
			c.sees(id, specs.StateFailed)
		}
		if got := c.entries - entries; got > 15 {
			t.Errorf("%d entries tell of %d ends within a second", got, len(ids))
		}
	})
}

func TestReportLostAfterItWasWritten(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.node("n1")
		c.service("shop_web", web)
		synctest.Wait()
		for _, f := range []fault{doneButFailed, notDone} {
			failures := 0
			c.failing(func([]specs.Transaction) fault {
				if failures++; failures > 2 {
					return none
				}
				return f
			})
			id := c.assign("shop_web", "n1", specs.StateRunning)
			after(30 * time.Second)
			c.sees(id, specs.StateRunning)
		}
	})
}

// A manager whose disk is full for a day has sessions to give and nothing else: the
// nodes that have something to tell must not come in a storm.
func TestWhatCannotBeWrittenIsReportedEverMoreRarely(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(id, specs.StateRunning)
		after(time.Minute)
		c.failing(func([]specs.Transaction) fault { return notDone })
		n.engine.Kill(id, specs.Exit{Code: 1})
		before := n.dialed()
		after(time.Minute)
		if got := n.dialed() - before; got > 60 {
			t.Errorf("%d connections in a minute", got)
		}
		c.failing(nil)
		after(10 * time.Second)
		if c.sees(id, specs.StateFailed); n.status() != specs.NodeReady {
			t.Errorf("the node is %s", n.status())
		}
	})
}

func TestANewDescriptionIsSeen(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		synctest.Wait()
		n.engine.SetDescription(specs.NodeDescription{Hostname: "renamed"})
		after(30 * time.Second)
		row, _ := c.store.Snapshot().Node("n1")
		if row.Seen.Description.Hostname != "renamed" || row.Seen.Status != specs.NodeReady {
			t.Errorf("the node is %+v", row.Seen)
		}
	})
}

func TestForgottenTasksLeaveNothing(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		logs := newLogs()
		n.daemon.stop()
		n.logs = logs
		n.start()
		c.service("shop_web", web)
		ended := c.assign("shop_web", "n1", specs.StateRunning)
		running := c.assign("shop_web", "n1", specs.StateRunning)
		after(time.Second)
		c.want(ended, specs.StateShutdown)
		after(time.Second)
		c.sees(ended, specs.StateShutdown)
		if got := logs.gone(); len(got) != 0 {
			t.Errorf("logs of %v are gone before their tasks", got)
		}
		logs.fail(errors.New("the keeper is away"))
		c.forget(ended)
		after(time.Second)
		logs.fail(nil)
		n.restart()
		c.forget(running)
		after(time.Second)
		n.holds()
		if diff := cmp.Diff([]string{ended, running}, logs.gone()); diff != "" {
			t.Error(diff)
		}
		n.daemon.stop()
		if rows := n.remembered(); len(rows) != 0 {
			t.Errorf("remembered: %v", rows)
		}
	})
}

// TestTheCrewFollowsTheStore changes tasks at random, with a connection that
// breaks and a daemon that is killed, also with an empty disk, and compares
// what the node has with what the store says.
func TestTheCrewFollowsTheStore(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, c *cluster) {
				random := rand.New(rand.NewPCG(seed, 0))
				n := c.node("n1")
				c.node("n2")
				for i := range 3 {
					c.service(fmt.Sprint("svc", i), specs.TaskSpec{Image: fmt.Sprint("image:", i)})
				}
				var ids []string
				for range 150 {
					c.disturb(random, n, &ids)
					if random.IntN(3) == 0 {
						after(time.Duration(random.IntN(1000)) * time.Millisecond)
					}
				}
				n.reconnect()
				after(time.Minute)
				var want []string
				for task := range c.store.Snapshot().TasksOn("n1") {
					if task.Want.Desired == specs.StateRunning {
						want = append(want, task.ID)
						c.sees(task.ID, specs.StateRunning)
					} else {
						c.sees(task.ID, specs.StateShutdown)
					}
				}
				n.holds(want...)
				n.startedOnce()
				if diff := cmp.Diff(idsOf(c, "n1"), n.rememberedAfterStop()); diff != "" {
					t.Errorf("remembered: %s", diff)
				}
			})
		})
	}
}

func (c *cluster) disturb(random *rand.Rand, n *node, ids *[]string) {
	pick := func() (string, bool) {
		if len(*ids) == 0 {
			return "", false
		}
		return (*ids)[random.IntN(len(*ids))], true
	}
	switch what := random.IntN(20); {
	case what < 10:
		service := fmt.Sprint("svc", random.IntN(3))
		*ids = append(*ids, c.assign(service, fmt.Sprint("n", 1+random.IntN(2)), specs.StateRunning))
	case what < 14:
		if id, any := pick(); any {
			c.want(id, specs.StateShutdown)
		}
	case what < 17:
		if id, any := pick(); any {
			c.forget(id)
			*ids = slices.DeleteFunc(*ids, func(other string) bool { return other == id })
		}
	case what == 17:
		n.disconnect()
	case what == 18:
		n.reconnect()
	default:
		synctest.Wait()
		n.crash()
		if random.IntN(3) == 0 {
			n.forgetEverything("")
		}
		n.start()
	}
}

func idsOf(c *cluster, node string) []string {
	var ids []string
	for task := range c.store.Snapshot().TasksOn(node) {
		ids = append(ids, task.ID)
	}
	return ids
}

func TestAThousandTasks(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.engine.SetImage("web:1", executortest.Behaviour{PrepareTakes: 50 * time.Millisecond, StartTakes: 30 * time.Millisecond})
		c.service("shop_web", web)
		c.latency = 5 * time.Millisecond // of a disk
		var ids []string
		for range 1000 {
			ids = append(ids, c.assign("shop_web", "n1", specs.StateRunning))
		}
		start := time.Now()
		for len(n.engine.Running()) < len(ids) {
			after(100 * time.Millisecond)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("took %s; a start of 30 ms, 16 at a time, is 1.9 s", took)
		}
		after(time.Second)
		for _, id := range ids {
			c.sees(id, specs.StateRunning)
		}
		if c.entries > 500 {
			t.Errorf("%d entries for 1000 tasks", c.entries)
		}
		n.restart()
		after(time.Second)
		n.holds(ids...)
		n.startedOnce()
		for _, id := range ids {
			c.want(id, specs.StateRemove)
		}
		after(10 * time.Second)
		n.holds()
	})
}
