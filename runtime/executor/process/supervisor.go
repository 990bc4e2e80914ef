package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/procfs"
)

// What Main is told to be.
const (
	verbSupervise = "supervise" // DIR: the supervisor of a task
	verbBecome    = "become"    // FILE: the process of that program, which becomes it
	verbAttend    = "attend"    // FILE: who attends to a command that is run in a task
)

// The signals that a supervisor obeys.
const (
	askToStop = unix.SIGTERM // the task gets its stop signal
	endAll    = unix.SIGQUIT // the task is killed with all that it has started
)

const (
	readyFD    = 3 // of the supervisor, to whoever started it; of the process, to its supervisor
	programFD  = 4 // of a command: what it is
	lifelineFD = 5 // of a command's attendant: its end is the command's

	inheritedProgram = "/proc/self/fd/4"

	gcPercent  = 50
	retryPause = time.Second // after the record could not be written
	startFails = 127         // exit code of a program that never ran, as in a shell

	supervisorOOMScoreAdj = -999 // the task goes first
)

// Main is a supervisor, or what is still ours of a task's process. It is what
// the hidden subcommand calls; the exit status is its result.
func Main(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "swarmgit: this command is for the daemon only")
		return startFails
	}
	runtime.LockOSThread() // a process ends with the thread of its parent that started it
	var err error
	report := os.NewFile(readyFD, "report")
	unix.CloseOnExec(readyFD)
	var code int
	switch verb, path := args[0], args[1]; verb {
	case verbSupervise:
		runtime.GOMAXPROCS(1)
		debug.SetGCPercent(gcPercent)
		err = supervise(path, report)
	case verbBecome:
		err = become(path)
	case verbAttend:
		code, err = attend(path, report)
	}
	if err != nil {
		fmt.Fprint(report, strings.ReplaceAll(err.Error(), "\n", "; "))
		return startFails
	}
	return code
}

// supervisor is what the process of a task's supervisor holds.
type supervisor struct {
	dir      string
	program  program
	record   *os.File
	told     chan os.Signal // askToStop, endAll
	children chan os.Signal // a child may have ended
	outputs  []*os.File     // both ends of the task's FIFOs
}

func newSupervisor(dir string) *supervisor {
	s := &supervisor{dir: dir, told: make(chan os.Signal, 4), children: make(chan os.Signal, 1)}
	signal.Notify(s.told, askToStop, endAll)
	signal.Notify(s.children, unix.SIGCHLD)
	signal.Ignore(unix.SIGHUP, unix.SIGINT)
	return s
}

// supervise starts the task's program and stays until it, and all that it has
// started, has ended. The error is for whoever started the supervisor.
func supervise(dir string, ready io.Closer) error {
	s := newSupervisor(dir)
	if err := s.take(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return s.refuse(fmt.Errorf("become a subreaper: %w", err))
	}
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte(fmt.Sprint(supervisorOOMScoreAdj)), 0) // root only
	pid, err := s.start()
	if err == nil {
		var main procfs.Stat
		if main, err = procfs.LookUp(pid); err != nil {
			main.PID = pid // it has ended already
		}
		err = writeSlot(s.record, mainSlot, main.Process)
	}
	if err != nil {
		s.reapAll(s.bar)
		return s.refuse(err)
	}
	_ = ready.Close()
	debug.FreeOSMemory() // what the start of a large binary used is not needed again
	status := s.attend(pid)
	s.reapAll(s.bar)
	for _, f := range s.outputs {
		_ = f.Close() // the keeper's pipes are at their end now
	}
	s.write(s.ending(status))
	return nil
}

// take makes this process the one and only supervisor that the task ever has.
func (s *supervisor) take() error {
	state, err := readState(s.dir)
	if err != nil {
		return err
	}
	s.program = state.program
	if s.record, err = os.OpenFile(filepath.Join(s.dir, recordFile), os.O_RDWR, 0); err != nil {
		return err
	}
	if err := unix.Flock(int(s.record.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.New("it has a supervisor already")
	}
	if state, err = readState(s.dir); err != nil || state.supervisor.PID != 0 {
		return errors.Join(err, errors.New("it had a supervisor already, and never runs twice"))
	}
	self, err := procfs.Self()
	if err != nil {
		return err
	}
	return writeSlot(s.record, supervisorSlot, self)
}

// start starts the process, and returns once its program runs.
func (s *supervisor) start() (pid int, err error) {
	files := []uintptr{0, 1, 2, 3}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files[0] = null.Fd()
	for i, path := range []string{s.program.Stdout, s.program.Stderr} {
		output := null
		if path != "" {
			// Both ends are held here, so that the task outlives the log keeper.
			held, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return 0, fmt.Errorf("open the log: %w", err)
			}
			s.outputs = append(s.outputs, held)
			if output, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
				return 0, fmt.Errorf("open the log: %w", err)
			}
			defer output.Close()
		}
		files[i+1] = output.Fd()
	}
	for _, words := range s.program.Made.Refused {
		s.say(words)
	}
	return s.fork(files, filepath.Join(s.dir, programFile))
}

// fork starts the program at path with these files, of which readyFD is made
// here, and returns once it runs.
func (s *supervisor) fork(files []uintptr, path string) (pid int, err error) {
	report, theirs, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer report.Close()
	files[readyFD] = theirs.Fd()
	argv := append(slices.Clone(os.Args[:len(os.Args)-2]), verbBecome, path)
	pid, err = syscall.ForkExec("/proc/self/exe", argv, &syscall.ProcAttr{
		Dir: "/", Env: s.program.Env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: s.program.TTY, Pdeathsig: unix.SIGKILL},
	})
	if err = errors.Join(err, theirs.Close()); err != nil {
		return 0, fmt.Errorf("start a process: %w", err)
	}
	said, err := io.ReadAll(report) // to its end: the descriptor closes when the program begins
	if err == nil && len(said) > 0 {
		err = errors.New(string(said))
	}
	return pid, err
}

// say writes to the task's own log.
func (s *supervisor) say(words string) {
	if len(s.outputs) > 0 {
		fmt.Fprintf(s.outputs[len(s.outputs)-1], "swarmgit: %s\n", words)
	}
}

// attend passes on what it is told until the task's process has ended.
func (s *supervisor) attend(pid int) syscall.WaitStatus {
	for {
		for status, child := s.reap(); child > 0; status, child = s.reap() {
			if child == pid {
				return status
			}
		}
		select {
		case <-s.children:
		case sig := <-s.told:
			send := syscall.SIGKILL
			if sig == askToStop {
				send = s.program.StopSignal
			}
			_ = syscall.Kill(-pid, send) // it may have ended at this moment
		}
	}
}

// reap takes note of one child that has ended; child is 0 if none has, and
// negative if there is none.
func (s *supervisor) reap() (status syscall.WaitStatus, child int) {
	for {
		child, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == nil {
			return status, child
		}
		if !errors.Is(err, syscall.EINTR) {
			return status, -1
		}
	}
}

// bar keeps what is left of the task from making more of itself.
func (s *supervisor) bar() { s.program.Cgroups.Bar(s.program.Cgroup) }

// reapAll kills all descendants, after bar, and returns once they have ended.
func (s *supervisor) reapAll(bar func()) {
	for {
		_, child := s.reap()
		switch {
		case child < 0:
			return
		case child == 0:
			bar()
			_ = killDescendants() // what it could not see, the next round does
			time.Sleep(reapPause)
		}
	}
}

// ending says how the process ended, and whether memory was the cause: its
// cgroup remembers that.
func (s *supervisor) ending(status syscall.WaitStatus) ending {
	var end ending
	end.Code = exitCode(status)
	if end.Code != 0 {
		kills, err := s.program.Cgroups.OOMKills(s.program.Cgroup)
		end.OOM = err == nil && kills > 0
	}
	return end
}

// refuse records that the program never ran, and why.
func (s *supervisor) refuse(err error) error {
	s.write(refusal(err))
	return nil
}

// write writes the last word. It is lost by nothing but the end of this process.
func (s *supervisor) write(end ending) {
	for writeSlot(s.record, endSlot, end) != nil {
		time.Sleep(retryPause)
	}
}
