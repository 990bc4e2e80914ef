package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// realCluster is a daemon in a process of its own, with a private containerd,
// and a person's clone of its remote. Nothing in it is a fake.
type realCluster struct {
	dir    string
	http   string
	daemon *exec.Cmd
	serial int // makes every commit a change

	machine *machine // where it runs; nil is the machine that runs the tests
	program string   // the daemon's; "" is the tests' own
	flags   []string // more of the daemon's
	setting []string // more of its environment
}

// patience bounds every wait for something outside of this process.
const patience = 2 * time.Minute

// needRoot skips a test that cannot run here; in CI that is a failure.
func needRoot(t testing.TB) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("CI") == "true" {
		skip = t.Fatalf
	}
	if testing.Short() {
		t.Skip("it runs containers")
	}
	if os.Geteuid() != 0 {
		skip("containers need root")
	}
	for _, program := range []string{"containerd", "containerd-shim-runc-v2", "runc", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			skip("%v", err)
		}
	}
}

// shared is the cluster of the tests that do not harm it.
var shared struct {
	sync.Mutex
	cluster *realCluster
}

// theCluster is the cluster that tests share, without any stack.
func theCluster(t testing.TB) *realCluster {
	t.Helper()
	needRoot(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil {
		c, err := startCluster()
		if err != nil {
			t.Fatal(err)
		}
		shared.cluster = c
	}
	c := shared.cluster
	c.tellOnFailure(t)
	c.reset(t)
	return c
}

// ownCluster is a cluster for one test that kills parts of it.
func ownCluster(t testing.TB) *realCluster {
	t.Helper()
	needRoot(t)
	c, err := startCluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.end(); err != nil {
			t.Error(err)
		}
	})
	c.tellOnFailure(t)
	c.reset(t)
	return c
}

func (c *realCluster) tellOnFailure(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(c.path("daemon.log"))
			lines := strings.Split(string(log), "\n")
			t.Logf("the daemon's last words:\n%s", strings.Join(lines[max(len(lines)-40, 0):], "\n"))
		}
	})
}

func startCluster() (_ *realCluster, err error) {
	c := &realCluster{flags: []string{"--init", "--listen", "127.0.0.1:0"}}
	if c.dir, err = os.MkdirTemp("", "swarmgit-e2e-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.end())
		}
	}()
	if err := os.MkdirAll(c.path("data"), 0o700); err != nil {
		return nil, err
	}
	if c.http, err = freePort(); err != nil {
		return nil, err
	}
	if err := c.start(); err != nil {
		return nil, err
	}
	if err := c.loadImages(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *realCluster) path(name string) string { return filepath.Join(c.dir, name) }

// start starts the daemon and returns once its node is ready.
func (c *realCluster) start() error {
	if err := c.launch(); err != nil {
		return err
	}
	return c.until("the daemon's node is ready", func() (bool, error) {
		status, err := ask(c, api.GetStatus.Call, api.Empty{})
		return err == nil && status.Nodes.Ready == 1 && status.Leader != "", nil
	})
}

// launch starts the daemon.
func (c *realCluster) launch() error {
	log, err := os.OpenFile(c.path("daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c.daemon = c.exec(cmp.Or(c.program, executable()), append([]string{"daemon",
		"--data-dir", c.path("data"), "--socket", c.path("sock"), "--http", c.http}, c.flags...)...)
	c.daemon.Env = append(append(os.Environ(), asSwarmgit+"=1"), c.setting...)
	c.daemon.Stdout, c.daemon.Stderr = log, log
	return c.daemon.Start()
}

// exec is a command on the cluster's machine.
func (c *realCluster) exec(name string, args ...string) *exec.Cmd {
	if c.machine != nil {
		return c.machine.command(name, args...)
	}
	return exec.Command(name, args...)
}

// kill is kill -9 of the daemon; stop asks it to end.
func (c *realCluster) kill() {
	if c.daemon == nil {
		return // it has ended by itself
	}
	_ = c.daemon.Process.Kill() // it may have ended by itself, which the next start shows
	_ = c.daemon.Wait()
	c.daemon = nil
}

// vanish kills the daemon, and ends the log keeper that outlives it.
func (c *realCluster) vanish(t testing.TB) {
	t.Helper()
	c.kill()
	if err := errors.Join(newNodeLogs(c.path("data"), quietLog()).Stop(context.Background()), c.gitsEnd()); err != nil {
		t.Error(err)
	}
}

// gitsEnd returns once no git runs any more that a daemon which was killed had started:
// it may still write.
func (c *realCluster) gitsEnd() error {
	return c.until("no git of its daemon runs", func() (bool, error) {
		all, err := procfs.All()
		return !slices.ContainsFunc(all, func(p procfs.Stat) bool {
			args := p.Arguments()
			if len(args) == 0 || filepath.Base(args[0]) != "git" {
				return false
			}
			at, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.PID)) // it may have ended
			return strings.Contains(at+strings.Join(args, " "), c.path("data"))
		}), err
	})
}

func (c *realCluster) stop() error {
	if c.daemon == nil {
		return nil
	}
	defer func() { c.daemon = nil }()
	if err := c.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.AfterFunc(patience, func() { _ = c.daemon.Process.Kill() })
	defer timer.Stop()
	if err := c.daemon.Wait(); err != nil {
		return fmt.Errorf("the daemon ended by SIGTERM: %w", err)
	}
	return nil
}

// end removes the cluster with all that runs in it.
func (c *realCluster) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := errors.Join(c.stop(), endWorker(ctx, c.path("data")))
	return errors.Join(err, os.RemoveAll(c.dir))
}

func (c *realCluster) until(what string, done func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s in vain until %s", patience, what)
		}
	}
}

// await is until for tests.
func (c *realCluster) await(t testing.TB, what string, done func() bool) {
	t.Helper()
	if err := c.until(what, func() (bool, error) { return done(), nil }); err != nil {
		out, _, _ := c.swarmgit("stack", "ps", "shop")
		t.Fatalf("%v\n%s", err, out)
	}
}

// ask calls the daemon's API.
func ask[Req, Reply any](c *realCluster, call func(context.Context, *wire.Client, Req) (Reply, error), req Req) (Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := (&options{host: c.path("sock")}).connect()
	if err != nil {
		var none Reply
		return none, err
	}
	defer client.Close()
	return call(ctx, client, req)
}

// tasks lists all tasks, oldest first within a slot's story or not: see the API.
func (c *realCluster) tasks(t testing.TB) []api.Task {
	t.Helper()
	reply, err := ask(c, api.ListTasks.Call, api.ListTasksRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return reply.Tasks
}

// running lists the wanted tasks that run, by name.
func (c *realCluster) running(t testing.TB) []api.Task {
	t.Helper()
	running := slices.DeleteFunc(c.tasks(t), func(task api.Task) bool {
		return !task.Wanted() || task.State != specs.StateRunning
	})
	slices.SortFunc(running, func(a, b api.Task) int { return strings.Compare(a.Name, b.Name) })
	return running
}

func (c *realCluster) env() []string {
	return append(os.Environ(), asSwarmgit+"=1", "SWARMGIT_HOST="+c.path("sock"),
		"GIT_AUTHOR_NAME=ana", "GIT_AUTHOR_EMAIL=ana@example.com", "GIT_COMMITTER_NAME=ana", "GIT_COMMITTER_EMAIL=ana@example.com",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0", "HOME="+c.dir)
}

// command is a command as a person types it in the clone.
func (c *realCluster) command(name string, args ...string) *exec.Cmd {
	cmd := c.exec(name, args...)
	cmd.Dir, cmd.Env = c.path("clone"), c.env()
	return cmd
}

// swarmgit runs the command line and returns what it printed and its status.
func (c *realCluster) swarmgit(args ...string) (stdout, stderr string, code int) {
	cmd := c.command(executable(), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	timer := time.AfterFunc(2*patience, func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	defer timer.Stop()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return "", err.Error(), -1
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// git runs git in the clone and returns all that it printed.
func (c *realCluster) git(args ...string) (string, error) {
	out, err := c.command("git", args...).CombinedOutput()
	return clean(string(out)), err
}

// clean takes away the blanks with which git clears the rest of a line.
func clean(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \r\t")
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), "\x1b[K", "")
}

// again reports whether what was said asks to do it again: nobody led, or a leader was
// lost meanwhile, as it happens on a machine that is too busy.
func again(said string) bool {
	return strings.Contains(said, "ushing again is safe") || strings.Contains(said, "asking again is safe") || strings.Contains(said, "try again in a moment")
}

// tries is how often something is done again at most.
const tries = 5

// mustGit is git that must go well, if not at once.
func (c *realCluster) mustGit(t testing.TB, args ...string) string {
	t.Helper()
	out, err := c.git(args...)
	for i := 0; err != nil && i < tries && again(out); i++ {
		out, err = c.git(args...)
	}
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// reset begins a new clone of the remote, in which no stack is left.
func (c *realCluster) reset(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(c.path("clone")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.path("clone"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.mustGit(t, "init", "--quiet", "--initial-branch=main")
	if out, errs, code := c.swarmgit("git-url", "--add", "swarm"); code != 0 {
		t.Fatalf("git-url --add: %s%s", out, errs)
	}
	c.mustGit(t, "fetch", "--quiet", "swarm")
	if _, err := c.git("rev-parse", "swarm/main"); err == nil {
		c.mustGit(t, "reset", "--quiet", "--hard", "swarm/main")
		c.push(t, map[string]string{"stacks": ""}, "-o", "allow-removal")
	}
}

// commit writes files and commits everything; an empty text removes the file.
func (c *realCluster) commit(t testing.TB, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(c.path("clone"), name)
		if text == "" {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.serial++
	c.mustGit(t, "add", "--all")
	c.mustGit(t, "commit", "--quiet", "--allow-empty", "-m", fmt.Sprintf("change %d", c.serial))
	return strings.TrimSpace(c.mustGit(t, "rev-parse", "HEAD"))
}

// push commits and pushes, and returns what a person sees.
func (c *realCluster) push(t testing.TB, files map[string]string, args ...string) string {
	t.Helper()
	c.commit(t, files)
	return c.mustGit(t, append([]string{"push", "swarm", "main"}, args...)...)
}

// refused commits and pushes what must be refused, takes the commit back and
// returns what a person saw.
func (c *realCluster) refused(t testing.TB, files map[string]string, args ...string) string {
	t.Helper()
	if _, err := c.git("rev-parse", "--quiet", "--verify", "HEAD"); err != nil {
		c.mustGit(t, "commit", "--quiet", "--allow-empty", "-m", "nothing yet")
	}
	before := strings.TrimSpace(c.mustGit(t, "rev-parse", "HEAD"))
	c.commit(t, files)
	out, err := c.git(append([]string{"push", "swarm", "main"}, args...)...)
	if err == nil {
		t.Fatalf("the push was taken:\n%s", out)
	}
	c.mustGit(t, "reset", "--quiet", "--hard", before)
	return out
}

// engineConfig is how to reach the cluster's containerd.
func (c *realCluster) managed() (*containerd.Managed, error) {
	return containerd.NewManaged(containerd.ManagedConfig{DataDir: c.path("data"), Log: quietLog()})
}

// testProgram builds what the tests' containers run, once.
var testProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "swarmgit-app-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the tests' program: %w: %s", err, out)
	}
	return os.ReadFile(path)
})

// testVersions are the images e2e/app:1 and so on, of which the cluster has one each.
const testVersions = 3

func (c *realCluster) loadImages() error {
	program, err := testProgram()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.path("clone"), 0o700); err != nil {
		return err
	}
	for version := 1; version <= testVersions; version++ {
		image, err := containerd.BuildImage(
			v1.Config{Entrypoint: []string{"/app"}, Env: []string{fmt.Sprintf("VERSION=%d", version)}},
			containerd.File{Path: "app", Mode: 0o755, Content: program})
		if err != nil {
			return err
		}
		var archive bytes.Buffer
		if err := containerd.Archive(&archive, fmt.Sprintf("e2e/app:%d", version), image); err != nil {
			return err
		}
		load := c.command(executable(), "image", "load")
		load.Stdin = &archive
		if out, err := load.CombinedOutput(); err != nil {
			return fmt.Errorf("image load: %w: %s", err, out)
		}
	}
	return nil
}
