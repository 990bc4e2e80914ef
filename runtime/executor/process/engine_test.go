package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
)

// contextAfter is for what is asked after a test's own context has ended.
func contextAfter(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

func TestEngineConforms(t *testing.T) {
	executortest.Run(t, func(t *testing.T) executortest.Harness {
		b := newBench(t)
		programs := map[executortest.Program][]string{
			executortest.Sleeper: {"sleep"}, executortest.Deaf: {"deaf"}, executortest.ExitsWith7: {"exit=7"},
			executortest.ExitsWhenTold: {"sleep"}, executortest.LeavesOthers: {"escape=marked", "exit=0"},
		}
		return executortest.Harness{
			Executor: b.Engine,
			Restart: func() executor.Executor {
				b.Engine = b.open()
				return b.Engine
			},
			Spec: func(p executortest.Program) specs.TaskSpec {
				if p == executortest.MissingCommand {
					return specs.TaskSpec{Runtime: specs.RuntimeProcess, Command: []string{"nosuch"}}
				}
				return spec(programs[p]...)
			},
			Ready: func(id string) {
				if s, err := readState(b.dirOf(id)); err == nil && strings.Contains(strings.Join(s.program.Args, " "), "exit=") {
					return
				}
				b.ready(id, 1)
			},
			End: func(id string) {
				s, _, err := b.look(t.Context(), id)
				if err == nil {
					err = syscall.Kill(s.main.PID, syscall.SIGUSR1)
				}
				if err != nil {
					t.Error(err)
				}
			},
			Read: b.read,
			Command: func(verbs ...string) []string {
				return append([]string{os.Args[0], "program"}, verbs...)
			},
			Leftovers: b.leftovers,
		}
	})
}

// Who only looks at what runs, or ends it, makes no cgroup for it.
func TestLookingMakesNoCgroup(t *testing.T) {
	b := newBench(t)
	b.start("a", spec("sleep"))
	reader := b.reader("/swarmgit-test/looked-at")
	found, err := reader.List(t.Context())
	if err != nil || len(found) != 1 || found[0].Phase != executor.Running {
		t.Fatalf("found %+v, %v", found, err)
	}
	if b.cgroups.Exists(reader.cgroup) {
		t.Errorf("there is a cgroup %s", reader.cgroup)
	}
	if err := reader.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if left := b.leftovers(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// read reads a file as a task's command does.
func (b *bench) read(id, path string) (content []byte, mode fs.FileMode, err error) {
	var out bytes.Buffer
	code, err := b.Exec(b.t.Context(), id, executor.Command{Args: []string{os.Args[0], "program", "show=" + path}, Stdout: &out, Stderr: &out})
	if err != nil || code != 0 {
		return nil, 0, fmt.Errorf("code %d, %w: %s", code, err, &out)
	}
	said := strings.SplitN(out.String(), " ", 3)
	_, err = fmt.Sscanf(said[0], "%o", &mode)
	return []byte(said[2]), mode, err
}

func (b *bench) dirOf(id string) string { return b.Engine.dir(id) }

// leftovers names everything that tasks leave somewhere, but for their logs.
func (b *bench) leftovers() (left []string) {
	for _, pattern := range []string{filepath.Join(b.config.Dir, "*"), filepath.Join(b.logs.Dir, "*", "std*")} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			b.t.Fatal(err)
		}
		left = append(left, found...)
	}
	for _, pid := range b.alive() {
		left = append(left, fmt.Sprint("process ", pid))
	}
	for _, parent := range b.cgroups.Dirs(b.Engine.cgroup) {
		groups, err := filepath.Glob(filepath.Join(parent, "*", "cgroup.procs"))
		if err != nil {
			b.t.Fatal(err)
		}
		left = append(left, groups...)
	}
	return left
}

// What works for root works for others, but for what needs rights.
func TestAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "nobody-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "process.test")
	if err := errors.Join(os.Chmod(dir, 0o755), copyFile(binary, os.Args[0]), os.Mkdir(filepath.Join(dir, "tmp"), 0o700), os.Chown(filepath.Join(dir, "tmp"), nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.short", "-test.run", "^(TestEngineConforms|TestSurroundings|TestFilesOfTheTasksUser|TestFilesOfOthersAreRefused|TestNothingEscapes|TestAttendantIsKilled|TestRefused|TestLimits)$")
	cmd.Dir, cmd.Env = "/", []string{"TMPDIR=" + filepath.Join(dir, "tmp"), "HOME=/nonexistent"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") < 15 {
		t.Errorf("%v:\n%s", err, out)
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// A task has its own environment, directory, limits and session, and nothing of
// the daemon's.
func TestSurroundings(t *testing.T) {
	b := newBench(t)
	t.Setenv("OF_THE_DAEMON", "secret")
	s := spec("env", "where", "reopen", "id")
	s.Env = []string{"GREETING=hello", "HOME=/elsewhere", "LOGNAME", marker + "=theirs"}
	s.WorkingDir = "/usr"
	s.Ulimits = []specs.Ulimit{{Name: "nofile", Soft: 100, Hard: 100}}
	s.OOMScoreAdj = 300
	out := b.output(s)
	for _, want := range []string{
		"GREETING=hello\n", "HOME=/elsewhere\n", "PATH=" + defaultPath + "\n", marker + "=output\n", "reopened\n",
		"where /usr umask 22 nofile 100 leader oom 300 hup false\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	for _, unwanted := range []string{"OF_THE_DAEMON", "LOGNAME", marker + "=theirs"} {
		if strings.Contains(out, unwanted) {
			t.Errorf("it has %s:\n%s", unwanted, out)
		}
	}
}

func TestAnotherUserOfTheNode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	b := newBench(t)
	dir, err := os.MkdirTemp("", "open-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "program")
	if err := errors.Join(os.Chmod(dir, 0o755), copyFile(binary, os.Args[0])); err != nil {
		t.Fatal(err)
	}
	s := spec("id", "env", "reopen")
	s.Entrypoint[0], s.User, s.Groups = binary, "65534:2", []string{"7"}
	out := b.output(s)
	for _, want := range []string{"id 65534 2 [2 7]\n", "USER=nobody\n", "reopened\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	// It ends with its supervisor, whoever it is.
	s.Command = []string{"sleep"}
	b.start("other", s)
	b.ready("other", 1)
	b.killSupervisor("other")
	if _, err := b.Wait(t.Context(), "other"); !errors.Is(err, errKilled) {
		t.Errorf("%v, want %v", err, errKilled)
	}
	b.await("nothing runs", func() bool { return len(b.alive()) == 0 })
}

func (b *bench) killSupervisor(id string) {
	b.t.Helper()
	s, _, err := b.look(b.t.Context(), id)
	if err == nil {
		err = syscall.Kill(s.supervisor.PID, syscall.SIGKILL)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		spec specs.TaskSpec
		want string
	}{
		"no such directory": {specs.TaskSpec{Command: []string{"sh"}, WorkingDir: "/nosuch"}, "working directory /nosuch: there is no such directory on this node"},
		"no program":        {specs.TaskSpec{Command: []string{"/etc/passwd"}}, `exec: "/etc/passwd": permission denied`},
		"no such user":      {specs.TaskSpec{Command: []string{"sh"}, User: "nosuchuser"}, `user "nosuchuser" of this node: `},
		"no such signal":    {specs.TaskSpec{Command: []string{"sh"}, StopSignal: "SIGNOSUCH"}, `stop signal "SIGNOSUCH" is not known`},
	} {
		err := b.Prepare(t.Context(), task("refused", c.spec), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, executor.ErrTemporary) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if os.Geteuid() != 0 {
		err := b.Prepare(t.Context(), task("refused", specs.TaskSpec{Command: []string{"sh"}, User: "root"}), nil)
		if err == nil || !strings.Contains(err.Error(), "can run tasks as itself only") {
			t.Errorf("another user: %v", err)
		}
	}
	s := spec("sleep")
	s.Ulimits = []specs.Ulimit{{Name: "nofile", Soft: 10, Hard: 1 << 40}} // more than the kernel has
	if err := b.Prepare(t.Context(), task("late", s), nil); err != nil {
		t.Fatal(err)
	}
	_, err := b.Start(t.Context(), "late")
	if err == nil || !strings.HasPrefix(err.Error(), "start: ulimit nofile 10:1099511627776: ") {
		t.Errorf("a limit that cannot be had: %v", err)
	}
	b.await("its supervisor has ended", func() bool { return len(b.alive()) == 0 })
}

// What leaves the task's process group, its session and its environment ends
// with it all the same.
func TestNothingEscapes(t *testing.T) {
	b := newBench(t)
	for _, how := range []string{"marked", "unmarked"} {
		b.start(how, spec("escape="+how, "sleep"))
		b.ready(how, 3)
		if n := len(b.alive()); n != 4 { // with the supervisor
			t.Fatalf("%d processes live", n)
		}
		if err := b.Stop(t.Context(), how, time.Minute); err != nil {
			t.Fatal(err)
		}
		if left := b.alive(); len(left) > 0 {
			t.Errorf("%s: processes %v are left", how, left)
		}
		if exit, err := b.Wait(t.Context(), how); err != nil || exit.Code != 128+15 {
			t.Errorf("%s: exit %+v, %v", how, exit, err)
		}
	}
}

// A supervisor that is killed takes its task with it, and says so.
func TestSupervisorIsKilled(t *testing.T) {
	b := newBench(t)
	b.start("a", spec("escape=marked", "sleep"))
	b.ready("a", 3)
	b.killSupervisor("a")
	if _, err := b.Wait(t.Context(), "a"); !errors.Is(err, errKilled) {
		t.Fatalf("%v, want %v", err, errKilled)
	}
	b.Engine = b.open()
	if found, err := b.List(t.Context()); err != nil || len(found) != 1 || found[0].Phase != executor.Preparing {
		t.Errorf("%+v, %v; want a task that is half made", found, err)
	}
	if _, err := b.Start(t.Context(), "a"); !errors.Is(err, executor.ErrNotFound) {
		t.Errorf("a second start: %v", err)
	}
	if err := b.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if left := b.leftovers(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// A supervisor that does not answer is killed, and the task with it.
func TestSupervisorHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the supervisor's patience")
	}
	b := newBench(t)
	b.start("a", spec("sleep"))
	b.ready("a", 1)
	s, _, err := b.look(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.supervisor.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(t.Context(), "a", 0); err != nil {
		t.Fatal(err)
	}
	b.await("nothing runs", func() bool { return len(b.alive()) == 0 })
}

// Who stops waiting for a program that is being started, such as a daemon that
// ends, leaves it to its supervisor.
func TestNobodyWaitsForAStart(t *testing.T) {
	b := newBench(t)
	if err := b.Prepare(t.Context(), task("a", spec("sleep")), nil); err != nil {
		t.Fatal(err)
	}
	slow := exec.Command(os.Args[0], "program", "sleep") // in a supervisor's place
	said, err := slow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := said.Read(make([]byte, 16)); err != nil { // that it hears signals
		t.Fatal(err)
	}
	stat, err := procfs.LookUp(slow.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	record, err := os.OpenFile(filepath.Join(b.dirOf("a"), recordFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	if err := writeSlot(record, supervisorSlot, stat.Process); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Wait(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that nobody waits any more", err)
	}
	if err := slow.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := slow.Wait(); slow.ProcessState.ExitCode() != 3 {
		t.Errorf("its supervisor was ended: %v", err)
	}
}

// Whoever has a task's number now is not the task.
func TestNumbersAreUsedAgain(t *testing.T) {
	b := newBench(t)
	b.start("a", spec("sleep"))
	b.ready("a", 1)
	other := exec.Command(os.Args[0], "program", "sleep")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	b.killSupervisor("a")
	_, _ = b.Wait(t.Context(), "a")
	record, err := os.OpenFile(filepath.Join(b.dirOf("a"), recordFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	stat, err := procfs.LookUp(other.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	stat.Start-- // of an earlier life of the number
	for _, slot := range []int{supervisorSlot, mainSlot} {
		if err := writeSlot(record, slot, stat.Process); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := b.List(t.Context()); err != nil || found[0].Phase != executor.Preparing {
		t.Errorf("%+v, %v", found, err)
	}
	if err := errors.Join(b.Stop(t.Context(), "a", 0), b.Remove(t.Context(), "a")); err != nil {
		t.Error(err)
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("somebody else's process: %v", err)
	}
}

// After a boot of the machine nothing runs, whatever the files say, and a task
// can be prepared anew.
func TestBoot(t *testing.T) {
	b := newBench(t)
	b.start("a", spec("sleep"))
	b.ready("a", 1)
	b.start("b", spec("exit=4"))
	if _, err := b.Wait(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	next := b.open()
	next.boot = "the next one"
	found, err := next.List(t.Context())
	if err != nil || len(found) != 2 || found[0].Phase != executor.Preparing || found[1].Exit.Code != 4 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := next.Wait(t.Context(), "a"); !errors.Is(err, executor.ErrNotFound) {
		t.Errorf("wait: %v", err)
	}
}

// A second supervisor, of a daemon that did not know of the first, does nothing.
func TestOneSupervisorOnly(t *testing.T) {
	b := newBench(t)
	pid := b.start("a", spec("sleep"))
	err := b.supervise(t.Context(), "a")
	if err == nil || !strings.Contains(err.Error(), "a supervisor already") {
		t.Errorf("%v", err)
	}
	if again, err := b.Start(t.Context(), "a"); err != nil || again != pid {
		t.Errorf("process %d, %v; want %d", again, err, pid)
	}
}

// On a full disk a running task's end is known, and a new one waits for room.
func TestFullDisk(t *testing.T) {
	mountstest.NeedRoot(t)
	b := newBench(t)
	mountstest.Mount(t, b.config.Dir, "size=128k")
	defer func() {
		if err := b.Shutdown(contextAfter(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	pid := b.start("a", spec("sleep"))
	b.ready("a", 1)
	ballast := filepath.Join(b.config.Dir, "..ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if exit, err := b.Wait(t.Context(), "a"); err != nil || exit.Code != 3 {
		t.Errorf("exit %+v, %v; want code 3", exit, err)
	}
	err := b.Prepare(t.Context(), task("b", spec("sleep")), nil)
	if !errors.Is(err, executor.ErrTemporary) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("prepare: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	b.start("b", spec("exit=0"))
}

// That the log keeper is away says nothing about a task: it waits for it.
func TestATaskWaitsForTheLogKeeper(t *testing.T) {
	b := newBench(t)
	logs := b.config.Logs
	b.config.Logs = executortest.NoKeeper{}
	for _, state := range []string{"new", "half made"} {
		if err := b.Prepare(t.Context(), task("a", spec("sleep")), nil); !errors.Is(err, executor.ErrTemporary) {
			t.Errorf("a task that is %s is prepared without a log keeper: %v", state, err)
		}
	}
	b.config.Logs = logs
	b.start("a", spec("exit=0"))
}

// Limits hold where the node can make them hold; else the task's log and the
// node's description say that they do not.
func TestLimits(t *testing.T) {
	b := newBench(t)
	d, err := b.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := spec("sleep")
	s.Limits = specs.Limits{Memory: 48 << 20, CPUs: 5e8, Pids: 40}
	b.start("a", s)
	b.ready("a", 1)
	if os.Geteuid() != 0 {
		want := "swarmgit: the memory limit of 48M is not enforced on this node: its daemon may make no cgroups: run it as root, or in a unit with Delegate=yes\n"
		if !strings.Contains(b.log("a"), want) || d.Engine != "processes without limits" {
			t.Errorf("%s says:\n%s", d.Engine, b.log("a"))
		}
		return
	}
	if d.Engine != "processes" {
		t.Skipf("no limits here: %q", b.refused)
	}
	for _, l := range []struct{ controller, v1, v2, want string }{
		{"memory", "memory.limit_in_bytes", "memory.max", "50331648"},
		{"pids", "pids.max", "pids.max", "40"},
	} {
		name := l.v1
		if b.cgroups.Unified {
			name = l.v2
		}
		text, err := os.ReadFile(b.cgroups.File(l.controller, b.cgroupOf("a"), name))
		if got := strings.TrimSpace(string(text)); err != nil || got != l.want {
			t.Errorf("%s is %q, want %q (%v)", name, got, l.want, err)
		}
	}
	s.Command = []string{"eat=100"}
	b.start("hungry", s)
	if exit, err := b.Wait(t.Context(), "hungry"); err != nil || exit != (specs.Exit{Code: 128 + 9, OOM: true}) {
		t.Errorf("exit %+v, %v; want an end for lack of memory", exit, err)
	}
}
