package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
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
	"github.com/swarmgit/swarmgit/specs/wire"
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
			Dial: func(ctx context.Context, addr string) (net.Conn, error) {
				return id.Credentials().Dial(ctx, addr, wire.Calls)
			},
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
// what a heartbeat costs once the rollout is over, beside bareBeat, and how long all
// sessions take to move when the leader is killed. What the workers keep on their disks is kept
// in memory: they would have a disk each. ns/op means nothing.
func BenchmarkScale(b *testing.B) {
	f := newFleet(b, 3, 0)
	bare := bareBeat(b)
	alone := f.idleSecond(b)
	agents := f.startAgents(b)
	for b.Loop() {
		leader := f.leader()
		ana := f.person(b, leader)
		began := time.Now()
		ana.push(b, map[string]string{"stacks/shop/stack.yml": scaleStack()}, "-o", "no-wait")
		committed := time.Now()
		f.seldom(b, "all tasks run", func(s api.StatusReply) bool { return tasksRunning(s) == scaleTasks })
		b.Logf("push of %d tasks: plan and commit %s, then to all RUNNING %s; the leader's RSS %d MiB", scaleTasks,
			committed.Sub(began).Round(10*time.Millisecond), time.Since(committed).Round(10*time.Millisecond), residentMiB(leader.daemon.Process.Pid))

		f.seldom(b, "the revision is healthy", func(s api.StatusReply) bool {
			return s.Revision != nil && s.Revision.Progress.State == specs.RevisionHealthy
		})
		leader = f.leader() // on a machine that is overloaded it may be another by now
		beats := beatsIn(scaleIdle)
		before := cpuTime(b, leader.daemon.Process.Pid) + cpuTime(b, agents.Pid)
		own := cpuTime(b, leader.daemon.Process.Pid)
		time.Sleep(scaleIdle)
		own = cpuTime(b, leader.daemon.Process.Pid) - own
		both := cpuTime(b, leader.daemon.Process.Pid) + cpuTime(b, agents.Pid) - before
		b.Logf("CPU per idle heartbeat: %.0f us on the leader, %.0f us at both ends, of which %.0f us go to what managers say to each other; over bare TLS %d us; the leader's RSS %d MiB",
			own.Seconds()*1e6/beats, both.Seconds()*1e6/beats, alone.Seconds()*scaleIdle.Seconds()*1e6/beats,
			bare.Microseconds(), residentMiB(leader.daemon.Process.Pid))

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

// idleSecond is what the leader uses in a second without workers.
func (f *realFleet) idleSecond(b *testing.B) time.Duration {
	b.Helper()
	leader := f.leader().daemon.Process.Pid
	before := cpuTime(b, leader)
	time.Sleep(scaleIdle / 4)
	return (cpuTime(b, leader) - before) * 4 * time.Second / scaleIdle
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
