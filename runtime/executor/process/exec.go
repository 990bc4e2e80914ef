package process

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// Healthcheck is nil: there is no image.
func (e *Engine) Healthcheck(ctx context.Context, id string) (*specs.Healthcheck, error) {
	_, _, err := e.look(ctx, id)
	return nil, err
}

// Exec runs a command as the task's process is run: as its user, in its cgroup,
// with its limits. What the command leaves behind is killed when it ends.
func (e *Engine) Exec(ctx context.Context, id string, c executor.Command) (int, error) {
	s, phase, err := e.look(ctx, id)
	if err == nil && phase != executor.Running {
		err = fmt.Errorf("task %s is not running: %w", id, executor.ErrNotFound)
	}
	if err != nil {
		return 0, err
	}
	p, err := commandOf(id, s.program, c)
	if err != nil {
		return 0, err
	}
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	x := &execution{end: end}
	defer x.close()
	theirLifeline, lifeline, err := x.pipe()
	if err != nil {
		return 0, failure("run a command", err)
	}
	x.lifeline = lifeline
	go func() { // until the command or the task ends
		if s.supervisor.Wait(life) == nil {
			x.kill()
		}
	}()
	code, err := x.run(life, e.config.Command, theirLifeline, id, p, c)
	if cause := context.Cause(life); cause != nil {
		return 0, cause
	}
	if err != nil {
		return 0, failure(fmt.Sprintf("run %s in task %s", strings.Join(c.Args, " "), id), err)
	}
	return code, nil
}

// commandOf is the program of a command in the task, whose own is p.
func commandOf(id string, p program, c executor.Command) (program, error) {
	defaults := p.Env
	if c.User != "" {
		who, home, name, err := identify(specs.TaskSpec{User: c.User})
		if err != nil {
			return p, err
		}
		p.User = who
		defaults = environment([]string{"HOME=" + home, "USER=" + name, "LOGNAME=" + name}, defaults...)
	}
	if c.TTY {
		defaults = environment([]string{"TERM=xterm"}, defaults...)
	}
	p.Env = marked(id, environment(c.Env, defaults...))
	p.Args, p.Dir, p.TTY = c.Args, path.Join("/", cmp.Or(c.WorkingDir, p.Dir)), c.TTY
	if len(p.Args) == 0 {
		return p, errors.New("there is no command")
	}
	var err error
	p.Path, err = find(p.Args[0], p.Dir, variable(p.Env, "PATH"))
	return p, err
}

// execution is one command while it runs.
type execution struct {
	end      context.CancelCauseFunc
	lifeline *os.File // its attendant kills it when this is closed
	terminal *os.File // nil is none
	opened   []*os.File
}

// open opens a file that is closed with the execution.
func (x *execution) open(f *os.File, err error) (*os.File, error) {
	if err == nil {
		x.opened = append(x.opened, f)
	}
	return f, err
}

func (x *execution) close() {
	for _, f := range x.opened {
		_ = f.Close() // it may be closed already
	}
}

// kill kills the command with what it has started.
func (x *execution) kill() { _ = x.lifeline.Close() }

// run runs the command by an attendant, which is started by command, and returns
// its exit code when everything that it wrote is passed on.
func (x *execution) run(ctx context.Context, command []string, theirLifeline *os.File, id string, p program, c executor.Command) (int, error) {
	told, err := x.open(memoryFile(p))
	if err != nil {
		return 0, err
	}
	report, theirReport, err := x.pipe()
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, x.kill)()

	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], verbAttend, inheritedProgram)...)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = "/", []string{marker + "=" + id}, []*os.File{theirReport, told, theirLifeline}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	input, passedOn, err := x.connect(cmd, p, c)
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("%w: %w", executor.ErrTemporary, err)
	}
	for _, f := range []*os.File{theirReport, theirLifeline} {
		_ = f.Close()
	}
	if c.Stdin != nil {
		go func() { // it may be in a Read for ever: nobody waits for it
			_, _ = io.Copy(input, c.Stdin)
			if x.terminal == nil {
				_ = input.Close()
			}
		}()
	}
	output := passedOn()
	go x.resize(ctx, c.Resize)
	said, err := io.ReadAll(report)
	if len(said) == 0 && ctx.Err() == nil {
		c.Runs()
	}
	err = errors.Join(err, exited(cmd.Wait()), <-output)
	if len(said) > 0 {
		return 0, errors.New(string(said))
	}
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return exitCode(status), err
}

func (x *execution) pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err == nil {
		x.opened = append(x.opened, r, w)
	}
	return r, w, err
}

// connect gives the command its input and outputs. passedOn is called once it
// has started; its channel yields when a terminal has no more to say.
func (x *execution) connect(cmd *exec.Cmd, p program, c executor.Command) (input io.WriteCloser, passedOn func() <-chan error, err error) {
	done := make(chan error, 1)
	if !c.TTY {
		if c.Stdin != nil {
			input, err = cmd.StdinPipe()
		}
		cmd.Stdout = x.watched(c.Stdout)
		if cmd.Stderr = cmd.Stdout; c.Stderr != c.Stdout {
			cmd.Stderr = x.watched(c.Stderr)
		}
		done <- nil
		return input, func() <-chan error { return done }, err
	}
	slave, err := x.openTerminal(p.User, c.Size)
	if err != nil {
		return nil, nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	return x.terminal, func() <-chan error {
		_ = slave.Close()
		go func() {
			to := x.watched(c.Stdout)
			if to == nil {
				to = io.Discard
			}
			_, err := io.Copy(to, x.terminal)
			if errors.Is(err, unix.EIO) { // nobody has it open any more
				err = nil
			}
			done <- err
		}()
		return done
	}, nil
}

// watched is w, and ends the command when w fails.
func (x *execution) watched(w io.Writer) io.Writer {
	if w == nil {
		return nil
	}
	return &watchedWriter{w, x.end}
}

type watchedWriter struct {
	io.Writer
	failed func(error)
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.failed(err)
	}
	return n, err
}

// openTerminal makes a terminal of the user's own and returns the command's end.
func (x *execution) openTerminal(who *account, size executor.Size) (slave *os.File, err error) {
	if x.terminal, err = x.open(os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)); err != nil {
		return nil, err
	}
	var number int
	err = x.control(func(fd int) (err error) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make a terminal: %w", err)
	}
	if slave, err = x.open(os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)); err != nil {
		return nil, err
	}
	if who != nil {
		err = slave.Chown(who.UID, -1)
	}
	if size != (executor.Size{}) {
		err = errors.Join(err, x.setSize(size))
	}
	return slave, err
}

func (x *execution) setSize(s executor.Size) error {
	return x.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: s.Height, Col: s.Width})
	})
}

// control calls f with the terminal's descriptor, if it is open.
func (x *execution) control(f func(fd int) error) error {
	raw, err := x.terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	return errors.Join(err, failed)
}

// resize sets the terminal's size until ctx ends.
func (x *execution) resize(ctx context.Context, sizes <-chan executor.Size) {
	for x.terminal != nil {
		select {
		case s := <-sizes:
			_ = x.setSize(s) // that it could not be set ends no command
		case <-ctx.Done():
			return
		}
	}
}

// memoryFile is a file without a name that holds p: the environment in it is
// nobody else's to read.
func memoryFile(p program) (*os.File, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "program")
	if _, err = f.Write(text); err != nil {
		err = errors.Join(err, f.Close())
	}
	return f, err
}

// exited is err but for an exit code, which is no failure.
func exited(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// attend starts the command that lies at path and stays until it has ended,
// killed by the end of the lifeline if that comes first; what it has started ends
// with it. The exit code is the command's.
func attend(path string, report io.Closer) (code int, err error) {
	unix.CloseOnExec(programFD)
	unix.CloseOnExec(lifelineFD)
	s := newSupervisor("")
	if s.program, err = readProgram(path); err != nil {
		return 0, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("become a subreaper: %w", err)
	}
	pid, err := s.fork([]uintptr{0, 1, 2, readyFD, programFD}, path)
	if err != nil {
		s.reapAll(func() {})
		return 0, err
	}
	_ = report.Close()
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(lifelineFD, "lifeline"))
		s.told <- endAll
	}()
	status := s.attend(pid)
	s.reapAll(func() {})
	return exitCode(status), nil
}

// exitCode is 128+n for signal n.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
