package logkeeper

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// The test binary is the keeper too, and the writers that tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "keeper":
			os.Exit(Main(os.Args[2:]))
		case "spew":
			spew(os.Args[2])
		}
	}
	os.Exit(m.Run())
}

// client starts no keeper by itself; the one that its use starts ends with the
// test. The directory's path is short enough for a socket.
func client(t testing.TB) *Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "keeper")
	if err != nil {
		t.Fatal(err)
	}
	c := clientOf(t, dir)
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return c
}

func clientOf(t testing.TB, dir string) *Client {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Dir: dir, Command: []string{self, "keeper"}, Log: slog.New(slog.DiscardHandler)})
}

// task is a task's ends of its FIFOs, open for reading too, as whoever starts a
// task opens them.
type task struct {
	t        testing.TB
	c        *Client
	id       string
	out, err *os.File
}

func open(t testing.TB, c *Client, id string) *task {
	t.Helper()
	out, err, failed := c.Open(context.Background(), id)
	if failed != nil {
		t.Fatal(failed)
	}
	return &task{t: t, c: c, id: id, out: writingEnd(t, out), err: writingEnd(t, err)}
}

func writingEnd(t testing.TB, path string) *os.File {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0) // stays blocking, as a task's would
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	return f
}

func (k *task) say(f *os.File, text string) {
	k.t.Helper()
	if _, err := io.WriteString(f, text); err != nil {
		k.t.Fatal(err)
	}
}

// finish ends the task and waits until all is kept.
func (k *task) finish() {
	k.t.Helper()
	k.out.Close()
	k.err.Close()
	if err := k.c.Finish(context.Background(), k.id); err != nil {
		k.t.Fatal(err)
	}
}

func (k *task) read(opt ReadOptions) []string { return texts(k.t, k.c, k.id, opt) }

// texts reads "o:text" or "e:text".
func texts(t testing.TB, c *Client, id string, opt ReadOptions) []string {
	t.Helper()
	var got []string
	err := c.Read(context.Background(), id, opt, func(lines []wire.LogLine) error {
		for _, line := range lines {
			got = append(got, text(line))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func text(line wire.LogLine) string {
	if line.Stderr {
		return "e:" + string(line.Text)
	}
	return "o:" + string(line.Text)
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %d lines %.300q, want %d lines %.300q", len(got), got, len(want), want)
	}
}

// pid is the living keeper's.
func pid(t testing.TB, c *Client) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.Dir, lockName))
	if err != nil {
		t.Fatal(err)
	}
	var p procfs.Process
	if _, err := fmt.Sscan(string(b), &p.PID, &p.Start); err != nil {
		t.Fatal(err)
	}
	return p.PID
}

// kill9 kills the keeper and waits until the kernel has let go of all it held.
func kill9(t testing.TB, c *Client) {
	t.Helper()
	if err := syscall.Kill(pid(t, c), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := evict(t.Context(), c.Dir); err != nil {
		t.Fatal(err)
	}
}

func TestKeepsBothStreams(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	before := time.Now()
	k.say(k.out, "hello\nworld\n")
	k.say(k.err, "trouble\n")
	k.say(k.out, "no newline")
	k.finish()
	var lines []wire.LogLine
	if err := c.Read(t.Context(), "t1", ReadOptions{Tail: -1}, func(l []wire.LogLine) error {
		lines = append(lines, l...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var out, err []string
	for _, l := range lines {
		if l.TaskID != "t1" || l.At.Before(before) || l.At.After(time.Now()) {
			t.Errorf("line %+v: wrong task or time", l)
		}
		if l.Stderr {
			err = append(err, string(l.Text))
		} else {
			out = append(out, string(l.Text))
		}
	}
	same(t, out, "hello", "world", "no newline")
	same(t, err, "trouble")
}

func TestBinaryDataAndLongLines(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	parts := bytes.SplitN(binary, []byte("\n"), 2)
	long := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	k.say(k.out, string(binary)+"\n\n"+long+"\n"+long+"rest\nend\n")
	k.finish()
	same(t, k.read(ReadOptions{Tail: -1}),
		"o:"+string(parts[0]), "o:"+string(parts[1]), "o:", "o:"+long, "o:"+long, "o:rest", "o:end")
}

func TestOpenFinishAndRemoveMayBeRepeated(t *testing.T) {
	c, ctx := client(t), t.Context()
	for range 2 {
		if err := c.Finish(ctx, "never-opened"); err != nil {
			t.Error(err)
		}
		if err := c.Remove(ctx, "never-opened"); err != nil {
			t.Error(err)
		}
	}
	k := open(t, c, "t1")
	out, _, err := c.Open(ctx, "t1")
	if err != nil || out != k.out.Name() {
		t.Errorf("second open: %s, %v", out, err)
	}
	k.say(k.out, "one\n")
	k.finish()
	if err := c.Finish(ctx, "t1"); err != nil {
		t.Error(err)
	}
	same(t, k.read(ReadOptions{Tail: -1}), "o:one")
	for range 2 {
		if err := c.Remove(ctx, "t1"); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "t1")); !os.IsNotExist(err) {
		t.Errorf("the task's directory is still there: %v", err)
	}
	same(t, k.read(ReadOptions{Tail: -1}))
	if _, _, err := c.Open(ctx, "../etc"); err == nil {
		t.Error("a task ID that leads out of the directory was taken")
	}
}

func TestFinishWaitsForWhatIsOnItsWay(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	k.err.Close()
	finished := make(chan error, 1)
	go func() { finished <- c.Finish(t.Context(), "t1") }()
	eventually(t, func() bool { return openEnds(t, pid(t, c), k.out.Name()) == 1 }) // it waits for those who write
	k.say(k.out, "late\n")                                                          // as the shim, which copies after the process has ended
	k.out.Close()
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	same(t, k.read(ReadOptions{Tail: -1}), "o:late")
}

// openEnds is how often a process has a file open.
func openEnds(t testing.TB, pid int, path string) (n int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name, err := os.Readlink(file); err == nil && name == path {
			n++
		}
	}
	return n
}

func TestFinishEndsThoughSomebodyKeepsTheFIFO(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	k.say(k.out, "all\n")
	if err := c.Finish(t.Context(), "t1"); err != nil {
		t.Fatal(err)
	}
	same(t, k.read(ReadOptions{Tail: -1}), "o:all")
}

func TestStopEndsAKeeperThatHangs(t *testing.T) {
	c := client(t)
	open(t, c, "t1")
	first := pid(t, c)
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, first)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if p, lives := c.Living(); lives {
		t.Errorf("keeper %d lives", p.PID)
	}
}

func TestKilledKeeperLosesNothing(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	const lines = 60_000
	written := make(chan error, 1)
	go func() {
		for i := range lines {
			if _, err := fmt.Fprintf(k.out, "line %d\n", i); err != nil {
				written <- err
				return
			}
			if i%(lines/60) == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		written <- nil
	}()
	for range 3 {
		time.Sleep(50 * time.Millisecond)
		kill9(t, c)
		if _, _, err := c.Open(t.Context(), "t1"); err != nil { // starts another
			t.Fatal(err)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	k.finish()
	// A kill may fall between a read and its write: what one read took may be
	// gone each time, never more.
	got := k.read(ReadOptions{Tail: -1})
	bytes := 0
	for _, line := range got {
		bytes += len(line) - len("o:") + 1
	}
	all := 0
	for i := range lines {
		all += len(fmt.Sprintf("line %d\n", i))
	}
	if lost := all - bytes; lost > 3*readSize {
		t.Errorf("%d of %d bytes are lost", lost, all)
	} else if lost > 0 {
		t.Logf("%d of %d bytes are lost", lost, all)
	}
}

func TestTextWaitsInThePipeForTheNextKeeper(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	k.say(k.out, "before\nhalf a ")
	awaitText(t, c, "t1", "half a ")
	kill9(t, c)
	k.say(k.out, "line\nafter\n")
	k.say(k.err, strings.Repeat("e", 50_000)+"\n")
	if err := c.Finish(t.Context(), "other"); err != nil { // starts another keeper
		t.Fatal(err)
	}
	k.finish()
	var out []string
	for _, line := range k.read(ReadOptions{Tail: -1}) {
		if strings.HasPrefix(line, "o:") {
			out = append(out, line)
		} else if len(line) != 50_002 {
			t.Errorf("stderr has a line of %d bytes", len(line)-2)
		}
	}
	same(t, out, "o:before", "o:half a line", "o:after")
}

// awaitText waits until the text is in the log's first file.
func awaitText(t testing.TB, c *Client, id, text string) {
	t.Helper()
	eventually(t, func() bool {
		b, err := os.ReadFile(filePath(filepath.Join(c.Dir, id), 1))
		return err == nil && bytes.Contains(b, []byte(text))
	})
}

// eventually waits for what another process does.
func eventually(t testing.TB, done func() bool) {
	t.Helper()
	const limit = time.Minute
	for began := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > limit {
			t.Fatalf("it has not happened in %v", limit)
		}
	}
}

func TestAdoptsALivingKeeper(t *testing.T) {
	c := client(t)
	open(t, c, "t1")
	first := pid(t, c)
	again := clientOf(t, c.Dir) // as a restarted daemon does
	if _, _, err := again.Open(t.Context(), "t2"); err != nil {
		t.Fatal(err)
	}
	if now := pid(t, c); now != first {
		t.Errorf("keeper %d was replaced by %d", first, now)
	}
	if sid, err := unix.Getsid(first); err != nil || sid != first {
		t.Errorf("the keeper's session is %d, %v", sid, err)
	}
}

func TestReplacesAHangingKeeper(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	first := pid(t, c)
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, first)
	k.say(k.out, "hello\n")
	if _, _, err := c.Open(t.Context(), "t2"); err != nil {
		t.Fatal(err)
	}
	if now := pid(t, c); now == first {
		t.Error("the keeper that hangs is still there")
	}
	k.finish()
	same(t, k.read(ReadOptions{Tail: -1}), "o:hello")
}

// awaitStopped returns once no thread of the process runs any more: the signal
// takes its time to reach them all.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	for t.Context().Err() == nil {
		stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		stopped := 0
		for _, stat := range stats {
			if data, err := os.ReadFile(stat); err == nil && strings.Contains(string(data), ") T ") {
				stopped++
			}
		}
		if stopped == len(stats) {
			return
		}
		runtime.Gosched()
	}
}

func TestRunReplacesADeadKeeper(t *testing.T) {
	c := client(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	k := open(t, c, "t1")
	first := pid(t, c)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.say(k.out, "still here\n")
	awaitText(t, c, "t1", "still here") // nobody but Run can have started one
	cancel()
	if err := <-done; err != context.Canceled {
		t.Error(err)
	}
	if now := pid(t, c); now == first {
		t.Error("the keeper was not replaced")
	}
	k.say(k.out, "and after Run\n")
	k.finish()
	same(t, k.read(ReadOptions{Tail: -1}), "o:still here", "o:and after Run")
}

func TestStartSaysWhyItCannot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	_, _, err := clientOf(t, dir).Open(t.Context(), "t1")
	if err == nil || !strings.Contains(err.Error(), "choose a shorter data directory") {
		t.Errorf("got %v", err)
	}
}

// spew writes at a steady rate of megabytes a second until killed.
func spew(rate string) {
	var mb int
	fmt.Sscan(rate, &mb)
	line := strings.Repeat("x", 99) + "\n"
	batch := []byte(strings.Repeat(line, 100)) // 10 kB
	for next := time.Now(); ; next = next.Add(time.Second / time.Duration(100*mb)) {
		time.Sleep(time.Until(next))
		for at := 0; at < len(batch); at += len(line) { // one write for each line
			if _, err := os.Stdout.Write(batch[at : at+len(line)]); err != nil {
				os.Exit(1)
			}
		}
	}
}

// writer starts a process whose standard output is the task's FIFO.
func (k *task) writer(args ...string) *exec.Cmd {
	k.t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stdout = k.out
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}
