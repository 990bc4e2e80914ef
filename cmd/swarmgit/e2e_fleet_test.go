package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// memoryEngine in the environment of a daemon of the tests gives it an engine
// that only remembers its tasks: they end with the daemon.
const memoryEngine = "SWARMGIT_TEST_MEMORY_ENGINE=1"

func openMemoryEngine(_ context.Context, cfg nodeConfig, _ nodeLogs) (engine, error) {
	memory := executortest.NewMemory(func(format string, args ...any) { cfg.log.Error(fmt.Sprintf(format, args...)) })
	description, err := memory.Describe(context.Background())
	if err != nil {
		return engine{}, err
	}
	if description.Hostname, err = os.Hostname(); err != nil {
		return engine{}, err
	}
	memory.SetDescription(description)
	return engine{Executor: memory}, nil
}

// realFleet is a cluster of several daemons, each on a machine of its own.
type realFleet struct {
	*machines
	nodes    []*realCluster // by machine
	managers int            // the first so many
	away     *realCluster   // is not asked: its cable is cut
	people   int            // how many there have been
}

// newFleet makes a cluster of managers and workers, whose tasks are remembered
// only. Managers are drained, so that it costs nobody a task when one is killed,
// and prepared before they start.
func newFleet(t testing.TB, managers, workers int, prepare ...func(testing.TB, *realCluster)) *realFleet {
	t.Helper()
	f := &realFleet{machines: newMachines(t, managers+workers), managers: managers}
	for i := range f.hosts {
		n := f.node(t, i)
		n.setting = []string{memoryEngine, clockVariable + "=" + n.path("clock")}
		if i < managers {
			for _, do := range prepare {
				do(t, n)
			}
		}
		t.Cleanup(func() { n.vanish(t) })
		f.join(t, n, i < managers)
		if i < managers {
			f.must(t, f.nodes[0], "node", "update", "--availability", "drain", n.name())
		}
	}
	f.allVote(t)
	return f
}

// node adds a node that is not started yet, on the next machine.
func (f *realFleet) node(t testing.TB, i int) *realCluster {
	t.Helper()
	n := &realCluster{dir: t.TempDir(), http: "127.0.0.1:2378", machine: f.hosts[i]}
	f.nodes = append(f.nodes, n)
	n.tellOnFailure(t)
	if err := os.MkdirAll(n.path("clone"), 0o700); err != nil { // where commands run
		t.Fatal(err)
	}
	return n
}

// name is the hostname of a node of a fleet.
func (c *realCluster) name() string { return c.machine.host }

// join starts a node for the first time, the first one as a cluster's.
func (f *realFleet) join(t testing.TB, n *realCluster, manager bool) {
	t.Helper()
	n.flags = []string{"--init", "--name", "fleet"}
	if n != f.nodes[0] {
		n.flags = []string{"--join", f.hosts[0].addr, "--token", f.token(t, manager)}
	}
	f.launch(t, n)
	f.await(t, n.name()+" is ready", func() bool { return f.ready() == len(f.nodes) })
}

// launch starts nodes.
func (f *realFleet) launch(t testing.TB, nodes ...*realCluster) {
	t.Helper()
	for _, n := range nodes {
		if err := n.launch(); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *realFleet) token(t testing.TB, manager bool) string {
	t.Helper()
	role := "worker"
	if manager {
		role = "manager"
	}
	return strings.TrimSpace(f.must(t, f.nodes[0], "join-token", "-q", role))
}

// must runs a command on a node, which must go well, if not at once.
func (f *realFleet) must(t testing.TB, n *realCluster, args ...string) string {
	t.Helper()
	out, errs, code := n.swarmgit(args...)
	for i := 0; code != 0 && i < tries && again(errs); i++ {
		out, errs, code = n.swarmgit(args...)
	}
	if code != 0 {
		t.Fatalf("swarmgit %s: %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// refuses runs a command on a node that must fail, and say these words.
func (f *realFleet) refuses(t testing.TB, n *realCluster, words string, args ...string) {
	t.Helper()
	out, errs, code := n.swarmgit(args...)
	if code == 0 || !strings.Contains(errs, words) {
		t.Errorf("swarmgit %s: %d, want %q\n%s%s", strings.Join(args, " "), code, words, out, errs)
	}
}

// look lists the nodes as the first node that answers sees them.
func (f *realFleet) look() ([]api.Node, error) {
	var errs []error
	for _, n := range f.nodes {
		if n.daemon == nil || n == f.away {
			continue
		}
		reply, err := ask(n, api.ListNodes.Call, api.Empty{})
		if err == nil {
			return reply.Nodes, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// count counts the nodes of which something is true; it is negative while nobody
// answers.
func (f *realFleet) count(is func(api.Node) bool) int {
	nodes, err := f.look()
	if err != nil {
		return -1
	}
	return len(slices.DeleteFunc(nodes, func(n api.Node) bool { return !is(n) }))
}

func (f *realFleet) ready() int {
	return f.count(func(n api.Node) bool { return n.Seen.Status == specs.NodeReady })
}

// votes counts the managers that vote and are reached.
func (f *realFleet) votes() int {
	return f.count(func(n api.Node) bool { return n.Manager == api.Leads || n.Manager == api.Reachable })
}

func (f *realFleet) allVote(t testing.TB) {
	t.Helper()
	f.await(t, "all managers vote", func() bool { return f.votes() == f.managers && f.leader() != nil })
}

// leader is the manager that leads, nil while nobody does.
func (f *realFleet) leader() *realCluster {
	nodes, err := f.look()
	if err != nil {
		return nil
	}
	return f.leaderOf(nodes)
}

func (f *realFleet) leaderOf(nodes []api.Node) *realCluster {
	for _, n := range nodes {
		if n.Manager == api.Leads {
			return f.named(n.Seen.Description.Hostname)
		}
	}
	return nil
}

func (f *realFleet) named(hostname string) *realCluster {
	return f.nodes[slices.IndexFunc(f.nodes, func(n *realCluster) bool { return n.name() == hostname })]
}

// awaitLeader waits until every manager that is there knows that one leads which
// is not one of these.
func (f *realFleet) awaitLeader(t testing.TB, others ...*realCluster) (leader *realCluster) {
	t.Helper()
	f.await(t, "another manager leads", func() bool {
		leader = nil
		for _, n := range f.nodes {
			if n.daemon == nil || n == f.away {
				continue
			}
			reply, err := ask(n, api.ListNodes.Call, api.Empty{})
			if wire.KindOf(err) == wire.NotLeader {
				continue // a worker
			}
			known := f.leaderOf(reply.Nodes)
			if err != nil || known == nil || slices.Contains(others, known) || leader != nil && known != leader {
				return false
			}
			leader = known
		}
		return leader != nil
	})
	return leader
}

// followers are the first so many nodes, but the leader.
func (f *realFleet) followers(leader *realCluster) []*realCluster {
	return slices.DeleteFunc(slices.Clone(f.nodes[:f.managers]), func(n *realCluster) bool { return n == leader })
}

func (f *realFleet) await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			nodes, err := f.look()
			t.Fatalf("waited %s in vain until %s: %v, %+v", patience, what, err, nodes)
		}
	}
}

// person is somebody with a clone of his own, who sits at a node and can move.
func (f *realFleet) person(t testing.TB, at *realCluster) *realCluster {
	t.Helper()
	f.people++
	p := &realCluster{dir: t.TempDir(), serial: 1000 * f.people} // no two commits are alike
	if err := p.sit(at); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(p.path("clone"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.mustGit(t, "init", "--quiet", "--initial-branch=main")
	if out, errs, code := p.swarmgit("git-url", "--add", "swarm"); code != 0 {
		t.Fatalf("git-url --add: %s%s", out, errs)
	}
	p.mustGit(t, "fetch", "--quiet", "swarm")
	if _, err := p.git("rev-parse", "swarm/main"); err == nil {
		p.mustGit(t, "reset", "--quiet", "--hard", "swarm/main")
	}
	return p
}

// sit has a person talk to another node from now on. Every machine has the
// cluster at the same address of its loopback device.
func (c *realCluster) sit(at *realCluster) error {
	c.machine = at.machine
	if err := os.Remove(c.path("sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(at.path("sock"), c.path("sock"))
}

// steadyStack is what runs in a fleet while other things happen.
const steadyStack = `
services:
  web:
    image: shop/web:1
    deploy: {replicas: 4, update_config: {monitor: 100ms}}
`

// steady returns the tasks of that stack, one line each: its name, its ID and
// its process.
func (f *realFleet) steady(t testing.TB) (lines []string) {
	t.Helper()
	f.await(t, "the steady tasks run", func() bool {
		lines = nil
		for _, n := range f.nodes {
			if n.daemon == nil || n == f.away {
				continue
			}
			reply, err := ask(n, api.ListTasks.Call, api.ListTasksRequest{Stack: "steady"})
			if err != nil {
				continue
			}
			for _, task := range reply.Tasks {
				if task.Wanted() && task.State == specs.StateRunning {
					lines = append(lines, fmt.Sprint(task.Name, " ", task.ID, " ", task.Hostname, " ", task.Seen.PID))
				}
			}
			break
		}
		return len(lines) == 4
	})
	slices.Sort(lines)
	return lines
}

// TestFleet is one cluster of three managers and two workers. Whatever becomes
// of the managers, it is whole after each story, and its tasks never notice.
func TestFleet(t *testing.T) {
	f := newFleet(t, 3, 2, ownDisk)
	ana := f.person(t, f.nodes[1])
	ana.push(t, map[string]string{"stacks/steady/stack.yml": steadyStack})
	before := f.steady(t)
	for _, story := range []struct {
		name string
		tell func(*testing.T, *realFleet)
	}{
		{"KilledLeaders", killedLeaders},
		{"CutLeader", cutLeader},
		{"CutFollower", cutFollower},
		{"MuteLeader", muteLeader},
		{"MuteFollower", muteFollower},
		{"AllKilled", allKilled},
		{"Staggered", staggered},
		{"WipedManager", wipedManager},
		{"FullDisks", fullDisks},
		{"HungDisks", hungDisks},
		{"ClockJumps", clockJumps},
		{"Strangers", strangers},
		{"IdleConnections", idleConnections},
		{"OutsideSource", outsideSource},
		{"Rotation", rotation},
	} {
		t.Run(story.name, func(t *testing.T) {
			story.tell(t, f)
			f.allVote(t)
			if diff := cmp.Diff(before, f.steady(t)); diff != "" {
				t.Errorf("tasks were restarted: %s", diff)
			}
			f.noneDown(t)
		})
		if t.Failed() {
			return // what comes next would start from a broken cluster
		}
	}
}

// noneDown looks for nodes that were thought to be lost.
func (f *realFleet) noneDown(t testing.TB) {
	t.Helper()
	for _, n := range f.nodes {
		log, err := os.ReadFile(n.path("daemon.log"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "node is down") {
				t.Errorf("%s: %s", n.name(), line)
			}
		}
	}
}
