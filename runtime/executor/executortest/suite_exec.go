package executortest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// exec runs the verbs in the task and returns what they wrote.
func (s *suite) exec(id string, c executor.Command, verbs ...string) (stdout, stderr string, code int) {
	s.Helper()
	var out, complaints bytes.Buffer
	c.Args, c.Stdout, c.Stderr = s.Command(verbs...), &out, &complaints
	started := 0
	c.Started = func() { started++ }
	code, err := s.Executor.Exec(s.ctx, id, c)
	s.must(err)
	if started != 1 {
		s.Errorf("%v: it was told %d times that the command runs", verbs, started)
	}
	return out.String(), complaints.String(), code
}

func (s *suite) execRuns() {
	task := s.task(1, Sleeper)
	s.start(task)
	for name, c := range map[string]struct {
		command        executor.Command
		verbs          []string
		stdout, stderr string
		code           int
	}{
		"success":           {verbs: []string{"print=yes"}, stdout: "yes\n"},
		"exit code":         {verbs: []string{"print=no", "complain=why", "exit=7"}, stdout: "no\n", stderr: "why\n", code: 7},
		"input":             {command: executor.Command{Stdin: strings.NewReader("a\nb")}, verbs: []string{"copy"}, stdout: "a\nb"},
		"no input":          {verbs: []string{"copy"}},
		"unread input":      {command: executor.Command{Stdin: endless{}}, verbs: []string{"print=done"}, stdout: "done\n"},
		"environment":       {command: executor.Command{Env: []string{"MINE=x=y"}}, verbs: []string{"var=MINE"}, stdout: "x=y\n"},
		"working directory": {command: executor.Command{WorkingDir: "/"}, verbs: []string{"pwd"}, stdout: "/\n"},
	} {
		stdout, stderr, code := s.exec(task.ID, c.command, c.verbs...)
		if stdout != c.stdout || stderr != c.stderr || code != c.code {
			s.Errorf("%s: code %d, %q, %q; want %d, %q, %q", name, code, stdout, stderr, c.code, c.stdout, c.stderr)
		}
	}
	s.wantFound(task, executor.Found{Phase: executor.Running, PID: s.start(task)})
	s.remove(task.ID)
	s.wantNothingLeft()
}

// endless is an input that does not end and of which there is not always more.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return copy(p, "more\n"), nil
}

func (s *suite) execIsWhole() {
	task := s.task(1, Sleeper)
	s.start(task)
	big := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16) // 1 MiB: no pipe holds it
	stdout, _, code := s.exec(task.ID, executor.Command{Stdin: bytes.NewReader(big)}, "copy")
	if code != 0 || stdout != string(big) {
		s.Errorf("code %d, %d bytes came back of %d", code, len(stdout), len(big))
	}
	var both bytes.Buffer
	_, err := s.Executor.Exec(s.ctx, task.ID, executor.Command{
		Args: s.Command("print=1", "complain=2", "print=3"), Stdout: &both, Stderr: &both})
	s.must(err)
	for _, line := range []string{"1\n", "2\n", "3\n"} {
		if !strings.Contains(both.String(), line) {
			s.Errorf("one writer for both got %q", &both)
		}
	}
	_, err = s.Executor.Exec(s.ctx, task.ID, executor.Command{Args: s.Command("print=nobody hears")})
	s.must(err)
	s.remove(task.ID)
}

func (s *suite) execTerminal() {
	task := s.task(1, Sleeper)
	s.start(task)
	resize := make(chan executor.Size)
	out := newLines()
	ended := make(chan error, 1)
	go func() {
		code, err := s.Executor.Exec(s.ctx, task.ID, executor.Command{
			Args: s.Command("sizes=40x20"), TTY: true, Size: executor.Size{Width: 80, Height: 24},
			Resize: resize, Stdin: endless{}, Stdout: out,
		})
		if err == nil && code != 0 {
			err = errors.New("it failed")
		}
		ended <- err
	}()
	out.await(s, "80x24")
	resize <- executor.Size{Width: 40, Height: 20}
	out.await(s, "40x20")
	s.must(<-ended)
	s.remove(task.ID)
	s.wantNothingLeft()
}

func (s *suite) execIsKilled() {
	task := s.task(1, Sleeper)
	s.start(task)
	ctx, cancel := context.WithCancel(s.ctx)
	out := newLines()
	ended := make(chan error, 1)
	go func() {
		_, err := s.Executor.Exec(ctx, task.ID, executor.Command{Args: s.Command("deaf"), Stdout: out, Stderr: out})
		ended <- err
	}()
	out.await(s, "ready")
	cancel()
	s.wantErr(<-ended, context.Canceled, "a command whose context ends")

	_, err := s.Executor.Exec(s.ctx, task.ID, executor.Command{Args: s.Command("deaf"), Stdout: deadWriter{}})
	s.wantErr(err, nil, "a command whose writer fails")
	if !strings.Contains(err.Error(), errDeadWriter.Error()) {
		s.Errorf("%q does not say that the writer failed", err)
	}
	s.remove(task.ID)
	s.wantNothingLeft()
}

var errDeadWriter = errors.New("nobody reads")

type deadWriter struct{}

func (deadWriter) Write([]byte) (int, error) { return 0, errDeadWriter }

func (s *suite) execIsRefused() {
	running, prepared, ended := s.task(1, Sleeper), s.task(2, Sleeper), s.task(3, ExitsWith7)
	s.start(running)
	s.prepare(prepared)
	s.start(ended)
	s.wait(ended.ID)
	for _, id := range []string{prepared.ID, ended.ID, s.task(4, Sleeper).ID} {
		_, err := s.Executor.Exec(s.ctx, id, executor.Command{Args: s.Command("print=x")})
		s.wantErr(err, executor.ErrNotFound, "a command in a task that does not run")
	}
	_, err := s.Executor.Exec(s.ctx, running.ID, executor.Command{Args: []string{"nosuch"}})
	s.wantErr(err, nil, "a missing command")
	if !strings.Contains(err.Error(), "executable file not found") {
		s.Errorf("%q does not say that the executable file was not found", err)
	}
	for _, task := range []executor.Task{running, prepared, ended} {
		s.remove(task.ID)
	}
	s.wantNothingLeft()
}

func (s *suite) execEndsWithTask() {
	task := s.task(1, Sleeper)
	s.start(task)
	const n = 4
	var commands sync.WaitGroup
	for range n {
		out := newLines()
		commands.Go(func() {
			code, err := s.Executor.Exec(s.ctx, task.ID, executor.Command{Args: s.Command("deaf"), Stdout: out})
			if err != nil || code != exitKilled {
				s.Errorf("code %d, %v of a command whose task has ended, want %d", code, err, exitKilled)
			}
		})
		out.await(s, "ready")
	}
	s.must(s.Executor.Stop(s.ctx, task.ID, patience))
	commands.Wait()
	s.remove(task.ID)
	s.wantNothingLeft()
}

// lines is a writer that can be waited for.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // readable when there is more
}

var _ io.Writer = (*lines)(nil)

func newLines() *lines { return &lines{more: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) await(s *suite, text string) {
	s.Helper()
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.more:
		case <-s.ctx.Done():
			s.Fatalf("%q never came, only %q", text, l)
		}
	}
}
