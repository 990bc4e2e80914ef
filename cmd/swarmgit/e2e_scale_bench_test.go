package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
)

// The size of the cluster that BenchmarkScale makes.
const (
	scaleAgents = 1000
	scaleTasks  = 20_000
	scaleIdle   = 20 * time.Second // during which an idle heartbeat is measured
	// scaleLook is the time between two looks at the cluster: for each the leader
	// counts all tasks.
	scaleLook = 200 * time.Millisecond
)

// agentsVariable makes the test binary so many workers: its value is their number,
// a directory, the address of a manager and a token.
const agentsVariable = "SWARMGIT_TEST_AGENTS"

// runAgents is a process of many workers, whose tasks are remembered only. It
// seldom collects its garbage: a thousand small processes would not either.
func runAgents(args []string) error {
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	token, err := specs.ParseJoinToken(args[3])
	if err != nil {
		return err
	}
	debug.SetGCPercent(400)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	var running sync.WaitGroup
	for i := range count {
		dir := filepath.Join(args[1], strconv.Itoa(i))
		id, err := identity.Join(context.Background(), filepath.Join(dir, "identity"), []string{args[2]}, token, log)
		if err != nil {
			return err
		}
		memory := executortest.NewMemory(func(format string, args ...any) { log.Error(fmt.Sprintf(format, args...)) })
		a := agent.New(agent.Config{
			NodeID: id.Credentials().Self().NodeID, Dir: dir, Executor: memory, Log: log, Managers: []string{args[2]},
			Dial: id.Credentials().Dial,
			Describe: func(ctx context.Context) (specs.NodeDescription, error) {
				d, err := memory.Describe(ctx)
				d.Hostname = fmt.Sprintf("w%d", i)
				return d, err
			},
		})
		running.Go(func() {
			if err := a.Run(context.Background()); err != nil {
				log.Error("an agent ended", "err", err)
			}
		})
	}
	running.Wait()
	return nil
}

// BenchmarkScale measures three managers with a thousand workers, which live in
// one process with a TLS session each: from a commit to all of its tasks RUNNING,
// what a heartbeat costs once the rollout is over, beside bareBeats, and how long all
// sessions take to move when the leader is killed. What the workers keep on their disks is kept
// in memory: they would have a disk each. ns/op means nothing.
func BenchmarkScale(b *testing.B) {
	f := newFleet(b, 3, 0)
	bare := bareBeats(b)
	alone := f.idleAlone(b)
	agents := f.startAgents(b)
	for b.Loop() {
		leader := f.leader()
		ana := f.person(b, leader)
		began := time.Now()
		ana.push(b, map[string]string{"stacks/shop/stack.yml": scaleStack()}, "-o", "no-wait")
		committed, worked := time.Now(), f.work(b, leader, agents)
		f.seldom(b, "all tasks run", func(s api.StatusReply) bool { return tasksRunning(s) == scaleTasks })
		worked = f.work(b, leader, agents).since(worked)
		b.Logf("push of %d tasks: plan and commit %s, then to all RUNNING %s; the leader's RSS %d MiB", scaleTasks,
			committed.Sub(began).Round(10*time.Millisecond), time.Since(committed).Round(10*time.Millisecond), residentMiB(leader.daemon.Process.Pid))
		b.Logf("CPU meanwhile: %.1f s on the leader, %.1f s on the followers, %.1f s on all workers; %d processors",
			worked.leader.Seconds(), worked.followers.Seconds(), worked.workers.Seconds(), runtime.NumCPU())

		f.seldom(b, "the revision is healthy", func(s api.StatusReply) bool {
			return s.Revision != nil && s.Revision.Progress.State == specs.RevisionHealthy
		})
		leader = f.leader() // on a machine that is overloaded it may be another by now
		idle := f.work(b, leader, agents)
		time.Sleep(scaleIdle)
		idle = f.work(b, leader, agents).since(idle)
		perBeat := func(d time.Duration) int64 { return int64(d.Seconds() * 1e6 / beatsIn(scaleIdle)) }
		b.Logf("CPU per idle heartbeat: %d us on the leader, which without workers uses %d us in the same time, and %d us on the worker; a read and a write over bare TLS %d us; the leader's RSS %d MiB",
			perBeat(idle.leader-alone), perBeat(alone), perBeat(idle.workers), perBeat(bare), residentMiB(leader.daemon.Process.Pid))

		killed := time.Now()
		leader.kill()
		var after api.StatusReply
		f.seldom(b, "all sessions have moved", func(s api.StatusReply) bool {
			after = s
			return s.Nodes.Ready == scaleAgents+2
		})
		moved := time.Now()
		elected := f.elected(b, killed)
		b.Logf("failover: a leader after %s, all sessions %s later; tasks running: %d",
			elected.Sub(killed).Round(time.Millisecond), moved.Sub(elected).Round(time.Millisecond), tasksRunning(after))
		if err := leader.launch(); err != nil {
			b.Fatal(err)
		}
		f.await(b, "all managers vote", func() bool { return f.votes() == 3 })
	}
}

// startAgents starts the process of workers and returns once all are ready.
func (f *realFleet) startAgents(b *testing.B) *os.Process {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "swarmgit-agents-") // nothing of it is written to a disk
	if err != nil {
		dir = b.TempDir()
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	cmd := f.hosts[0].command(executable())
	cmd.Env = append(os.Environ(), agentsVariable+"="+strings.Join([]string{
		strconv.Itoa(scaleAgents), dir, f.hosts[0].addr + ":" + defaultPort, f.token(b, false),
	}, " "))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it has no end of its own
		_ = cmd.Wait()
	})
	f.seldom(b, "all workers are ready", func(s api.StatusReply) bool { return s.Nodes.Ready == scaleAgents+3 })
	return cmd.Process
}

// scaleStack is twenty services that share the tasks.
func scaleStack() string {
	var s strings.Builder
	s.WriteString("services:\n")
	for i := range 20 {
		fmt.Fprintf(&s, "  s%d:\n    image: shop/s%d:1\n    deploy: {replicas: %d}\n", i, i, scaleTasks/20)
	}
	return s.String()
}

// work is the CPU time that the processes of a cluster have used.
type work struct{ leader, followers, workers time.Duration }

func (w work) since(before work) work {
	return work{w.leader - before.leader, w.followers - before.followers, w.workers - before.workers}
}

func (f *realFleet) work(b *testing.B, leader *realCluster, agents *os.Process) (w work) {
	b.Helper()
	for _, n := range f.nodes {
		if n == leader {
			w.leader = cpuTime(b, n.daemon.Process.Pid)
		} else {
			w.followers += cpuTime(b, n.daemon.Process.Pid)
		}
	}
	w.workers = cpuTime(b, agents.Pid)
	return w
}

// elected is when a manager began to lead last, by its own log: others hear of it
// when they are answered.
func (f *realFleet) elected(b *testing.B, since time.Time) (at time.Time) {
	b.Helper()
	for _, n := range f.nodes {
		for line := range strings.Lines(n.log(b)) {
			stamp, said, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
			began, err := time.Parse(time.RFC3339, stamp)
			if err == nil && strings.Contains(said, `"this manager leads"`) && began.After(since) && began.After(at) {
				at = began
			}
		}
	}
	return at
}

// idleAlone is what the leader uses in the time scaleIdle without workers.
func (f *realFleet) idleAlone(b *testing.B) time.Duration {
	b.Helper()
	leader := f.leader().daemon.Process.Pid
	before := cpuTime(b, leader)
	time.Sleep(scaleIdle)
	return cpuTime(b, leader) - before
}

// seldom waits until something is true of the cluster, as the first manager that
// answers sees it.
func (f *realFleet) seldom(b *testing.B, what string, done func(api.StatusReply) bool) {
	b.Helper()
	f.await(b, what, func() bool {
		time.Sleep(scaleLook)
		for _, n := range f.nodes {
			if n.daemon == nil {
				continue
			}
			if status, err := ask(n, api.GetStatus.Call, api.Empty{}); err == nil {
				return done(status)
			}
		}
		return false
	})
}

func tasksRunning(s api.StatusReply) (running int) {
	for _, stack := range s.Stacks {
		running += stack.Running
	}
	return running
}

func residentMiB(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize() >> 20
}

// cpuTime is what a process has used, in user and kernel; see proc(5).
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	const ticks = 100 // a second, on every Linux
	return time.Duration(user+system) * time.Second / ticks
}
