package process

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/logkeeper"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// The test binary is also the supervisor, the log keeper and the program of tasks.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch args := os.Args[2:]; os.Args[1] {
		case "supervisor":
			os.Exit(Main(args))
		case "keeper":
			os.Exit(logkeeper.Main(args))
		case "program":
			for _, arg := range args {
				verb, value, _ := strings.Cut(arg, "=")
				do(verb, value)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// do is one step of a task's program.
func do(verb, value string) {
	switch verb {
	case "print":
		fmt.Println(value)
	case "complain":
		fmt.Fprintln(os.Stderr, value)
	case "var":
		fmt.Println(os.Getenv(value))
	case "show": // a file's mode, owner and content
		info, err := os.Stat(value)
		check(err)
		content, err := os.ReadFile(value)
		check(err)
		owner := info.Sys().(*syscall.Stat_t)
		fmt.Printf("%o %d:%d %s", info.Mode(), owner.Uid, owner.Gid, content)
	case "pwd":
		dir, err := os.Getwd()
		check(err)
		fmt.Println(dir)
	case "copy":
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
	case "sizes": // of the terminal, until it is the last
		changed := make(chan os.Signal, 1)
		signal.Notify(changed, syscall.SIGWINCH)
		for ; ; <-changed {
			size, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
			check(err)
			text := fmt.Sprintf("%dx%d", size.Col, size.Row)
			fmt.Println(text)
			if text == value {
				return
			}
		}
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "id":
		groups, _ := os.Getgroups()
		fmt.Println("id", os.Getuid(), os.Getgid(), groups)
	case "where":
		dir, _ := os.Getwd()
		mask := syscall.Umask(0)
		var files syscall.Rlimit
		check(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
		score, err := os.ReadFile("/proc/self/oom_score_adj")
		check(err)
		fmt.Printf("where %s umask %o nofile %d %s oom %s hup %v\n", dir, mask, files.Max, ttyless(), strings.TrimSpace(string(score)), signal.Ignored(syscall.SIGHUP))
	case "reopen":
		out, err := os.OpenFile("/dev/stdout", os.O_WRONLY, 0)
		check(err)
		fmt.Fprintln(out, "reopened")
	case "exit":
		code, _ := strconv.Atoi(value)
		os.Exit(code)
	case "eat":
		n, _ := strconv.Atoi(value)
		for block := make([]byte, n<<20); ; time.Sleep(time.Millisecond) {
			for i := 0; i < len(block); i += 4096 {
				block[i]++
			}
		}
	case "escape": // a child that leaves the session, and its child, obey nobody
		self, err := os.Executable()
		check(err)
		child := exec.Command(self, "program", "child="+value)
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if value == "unmarked" {
			child.Env = []string{}
		}
		child.Stdout = os.Stdout
		check(child.Start())
	case "child":
		if value != "last" {
			do("escape", "last")
		}
		do("deaf", "")
	case "deaf":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "sleep": // until a signal; SIGUSR1 exits with 3
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGQUIT)
		fmt.Println("ready")
		sig := (<-signals).(syscall.Signal)
		if sig == syscall.SIGUSR1 {
			os.Exit(3)
		}
		os.Exit(128 + int(sig))
	default:
		check(fmt.Errorf("unknown verb %q", verb))
	}
}

// ttyless tells whether the process leads a session of its own.
func ttyless() string {
	if sid, err := unix.Getsid(0); err == nil && sid == os.Getpid() {
		return "leader"
	}
	return "no leader"
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}

// bench is a node for one test: an engine with the real log keeper.
type bench struct {
	*Engine
	t    testing.TB
	dir  string
	logs *logkeeper.Client
}

func newBench(t testing.TB) *bench {
	t.Helper()
	dir, err := os.MkdirTemp("", "swarmgit-process-") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, dir: dir, logs: logkeeper.New(logkeeper.Config{Dir: filepath.Join(dir, "logs"), Command: []string{os.Args[0], "keeper"}})}
	b.Engine = b.open()
	t.Cleanup(func() {
		ctx := t.Context()
		if err := b.Shutdown(contextAfter(ctx)); err != nil {
			t.Error(err)
		}
		if err := b.logs.Stop(contextAfter(ctx)); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return b
}

// open is a new daemon's engine over what is there.
func (b *bench) open() *Engine {
	b.t.Helper()
	e := b.reader("/swarmgit-test/" + filepath.Base(b.dir))
	if err := e.Settle(); err != nil {
		b.t.Fatal(err)
	}
	return e
}

// reader is an engine that has not settled.
func (b *bench) reader(cgroup string) *Engine {
	b.t.Helper()
	e, err := Open(Config{
		Dir: filepath.Join(b.dir, "tasks"), Command: []string{os.Args[0], "supervisor"}, Logs: b.logs,
		Cgroup: cgroup, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func spec(verbs ...string) specs.TaskSpec {
	return specs.TaskSpec{Runtime: specs.RuntimeProcess, Entrypoint: []string{os.Args[0], "program"}, Command: verbs}
}

func task(id string, s specs.TaskSpec) executor.Task {
	return executor.Task{ID: id, Name: "shop_web.1", ServiceName: "shop_web", Spec: s}
}

// start brings a task to run.
func (b *bench) start(id string, s specs.TaskSpec) int {
	b.t.Helper()
	if err := b.Prepare(b.t.Context(), task(id, s), nil); err != nil {
		b.t.Fatal(err)
	}
	pid, err := b.Start(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return pid
}

// output runs a task to its end and returns what it wrote.
func (b *bench) output(s specs.TaskSpec) string {
	b.t.Helper()
	b.start("output", s)
	if exit, err := b.Wait(b.t.Context(), "output"); err != nil || exit.Code != 0 {
		b.t.Fatalf("%+v, %v: %s", exit, err, b.log("output"))
	}
	text := b.log("output")
	if err := b.Remove(b.t.Context(), "output"); err != nil {
		b.t.Fatal(err)
	}
	if err := b.logs.Remove(b.t.Context(), "output"); err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *bench) log(id string) string {
	var text strings.Builder
	err := b.logs.Read(contextAfter(b.t.Context()), id, logkeeper.ReadOptions{Tail: -1}, func(lines []wire.LogLine) error {
		for _, l := range lines {
			fmt.Fprintf(&text, "%s\n", l.Text)
		}
		return nil
	})
	if err != nil {
		b.t.Error(err)
	}
	return text.String()
}

// await waits for something that other processes do.
func (b *bench) await(what string, done func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// ready waits until so many of the task's processes have said that they listen.
func (b *bench) ready(id string, n int) {
	b.t.Helper()
	b.await("task "+id+" is ready", func() bool { return strings.Count(b.log(id), "ready") == n })
}

// alive are the processes that run the test's binary for this bench.
func (b *bench) alive() (pids []int) {
	all, err := procfs.All()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range all {
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
		words := strings.Split(string(args), "\x00")
		if err == nil && len(words) > 2 && words[0] == os.Args[0] && slices.Contains([]string{"supervisor", "program"}, words[1]) {
			pids = append(pids, p.PID)
		}
	}
	return pids
}
