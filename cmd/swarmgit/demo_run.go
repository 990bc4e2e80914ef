package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/mounts"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// demo is a cluster in a directory of its own:
//
//	DIR/data         the node's data directory
//	DIR/sock         the daemon's socket
//	DIR/daemon.pid   and its process, daemon.log what it says
//	DIR/repository   a person's clone
type demo struct {
	dir         string
	out         io.Writer
	processes   bool   // its tasks are plain processes
	task, tasks string // what a task is, in words
	program     []byte // of its containers
	daemon      *exec.Cmd
	http        string
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// show runs the steps, says how long each took, and names the one that failed.
func (d *demo) show(ctx context.Context, steps []demoStep) error {
	began := time.Now()
	for i, step := range steps {
		fmt.Fprintf(d.out, "\n[%d/%d] %s\n", i+1, len(steps), step.title)
		start := time.Now()
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("demo: step %d of %d, %q: %w\nthe daemon's last words:\n%s", i+1, len(steps), step.title, err, d.lastWords())
		}
		fmt.Fprintf(d.out, "      done in %.1fs\n", time.Since(start).Seconds())
	}
	fmt.Fprintf(d.out, "\nall %d steps in %.1fs\n", len(steps), time.Since(began).Seconds())
	return nil
}

// lastWords is the end of the daemon's log.
func (d *demo) lastWords() string {
	log, _ := os.ReadFile(d.path("daemon.log"))
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return "  " + strings.Join(lines[max(len(lines)-15, 0):], "\n  ")
}

// call runs a command as a person would type it, below the heading of its step,
// and returns what it printed.
func (d *demo) call(ctx context.Context, shown string, name string, args ...string) (string, error) {
	fmt.Fprintf(d.out, "      $ %s\n", shown)
	var printed bytes.Buffer
	indented := &indenter{w: d.out, indent: "      "}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = d.path("repository")
	// Nothing of the person's own settings: signed commits, hooks, a proxy.
	cmd.Env = append(os.Environ(), "SWARMGIT_HOST="+d.path("sock"), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "no_proxy=*",
		"GIT_AUTHOR_NAME=demo", "GIT_AUTHOR_EMAIL=demo@example.com", "GIT_COMMITTER_NAME=demo", "GIT_COMMITTER_EMAIL=demo@example.com")
	cmd.Stdout = io.MultiWriter(&printed, indented)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	return printed.String(), err
}

func (d *demo) git(ctx context.Context, args ...string) (string, error) {
	return d.call(ctx, "git "+strings.Join(args, " "), "git", args...)
}

func (d *demo) swarmgit(ctx context.Context, args ...string) (string, error) {
	return d.call(ctx, "swarmgit "+strings.Join(args, " "), executable(), args...)
}

// launch starts the daemon and waits until it answers.
func (d *demo) launch(ctx context.Context) error {
	log, err := os.OpenFile(d.path("daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	kind := containerdExecutor
	if d.processes {
		kind = processExecutor
	}
	fmt.Fprintf(d.out, "      $ swarmgit daemon --init --executor %s --data-dir ... &\n", kind)
	d.daemon = exec.Command(executable(), "daemon", "--init", "--executor", kind, "--listen", "127.0.0.1:0",
		"--data-dir", d.path("data"), "--socket", d.path("sock"), "--http", d.http)
	d.daemon.Stdout, d.daemon.Stderr = log, log
	// Its own process group: Ctrl-C is for the demo, which ends it in its order.
	d.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.daemon.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("daemon.pid"), []byte(strconv.Itoa(d.daemon.Process.Pid)), 0o600); err != nil {
		_ = d.daemon.Process.Kill() // nobody else would find it
		_ = d.daemon.Wait()         // it was killed: that is what it will say
		return err
	}
	return d.until(ctx, "the daemon answers and its node is ready", func(ctx context.Context) (bool, error) {
		client, err := (&options{host: d.path("sock")}).connect()
		if err != nil {
			return false, err
		}
		defer client.Close()
		status, err := api.GetStatus.Call(ctx, client, api.Empty{})
		return err == nil && status.Nodes.Ready == 1, nil
	})
}

// demoPatience bounds every wait of the demo, generously for slow machines.
const demoPatience = time.Minute

// until waits for something that happens outside of this process.
func (d *demo) until(ctx context.Context, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	for {
		ok, err := done(ctx)
		if ok || err != nil {
			return err
		}
		if bell.Sleep(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("waited %s in vain until %s", demoPatience, what)
		}
	}
}

// running lists the wanted tasks of the shop that run.
func (d *demo) running(ctx context.Context) ([]api.Task, error) {
	client, err := (&options{host: d.path("sock")}).connect()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	all, err := api.ListTasks.Call(ctx, client, api.ListTasksRequest{})
	if err != nil {
		return nil, err
	}
	var running []api.Task
	for _, t := range all.Tasks {
		if t.Wanted() && t.State == specs.StateRunning {
			running = append(running, t)
		}
	}
	return running, nil
}

func (d *demo) sayKept() {
	fmt.Fprintf(d.out, `
the cluster is up; talk to it:
  export SWARMGIT_HOST=%s
  %s status
  cd %s     # edit stacks/shop/stack.yml, commit, git push swarm main
end it:
  %s demo --end %s
`, d.path("sock"), executable(), d.path("repository"), executable(), d.dir)
}

// demoPrefix begins the name of a demo's directory: by it one is known.
const demoPrefix = "swarmgit-demo-"

// endKept ends the demo in a directory that a person has named.
func endKept(ctx context.Context, name string) error {
	dir, err := filepath.Abs(name)
	if err != nil {
		return fmt.Errorf("demo --end %s: %w", name, err)
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || !strings.HasPrefix(filepath.Base(dir), demoPrefix) {
		return fmt.Errorf("demo --end %s: no cluster of a demo is there: the name of its directory begins with %s, as --keep has said", name, demoPrefix)
	}
	return endDemo(ctx, dir)
}

// endDemo stops the cluster in dir and removes everything of it. It refuses to take
// the directory from under a daemon that it cannot end.
func endDemo(ctx context.Context, dir string) error {
	if err := endProcess(ctx, filepath.Join(dir, "daemon.pid")); err != nil {
		return fmt.Errorf("end the demo's daemon: %w", err)
	}
	data := filepath.Join(dir, "data")
	lock, err := lockDataDir(data)
	if err == nil {
		if err := errors.Join(endWorker(ctx, data), lock.Close()); err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrNotExist) { // it may have failed before it had one
		return err
	}
	if err := mounts.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the demo's directory: %w", err)
	}
	return nil
}

// endProcess ends the swarmgit whose process ID the file holds, if it is alive.
func endProcess(ctx context.Context, pidFile string) error {
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s holds no process ID", pidFile)
	}
	// The number may belong to somebody else by now: only our own program counts.
	if target, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || strings.TrimSuffix(target, " (deleted)") != executable() {
		return nil
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	_ = process.Signal(syscall.SIGTERM) // it may end by itself at this moment
	deadline := time.After(demoPatience)
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil || isZombie(pid) {
			_, _ = process.Wait() // reaps our own child; another's is init's
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			_ = process.Kill() // as above
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return err == nil && bytes.HasPrefix(rest, []byte("Z"))
}

// indenter writes every line after an indent.
type indenter struct {
	w      io.Writer
	indent string
	inside bool // of a line
}

func (i *indenter) Write(p []byte) (int, error) {
	var b bytes.Buffer
	for _, c := range p {
		if !i.inside {
			b.WriteString(i.indent)
		}
		b.WriteByte(c)
		i.inside = c != '\n'
	}
	if _, err := i.w.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// quietLog is for what a person watches: only what is wrong is worth a line.
func quietLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
