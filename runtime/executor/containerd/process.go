package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// process is a process held by a pidfd: it cannot become another one, whoever
// its parent is. (The DESIGN names the start time as the guard against a process
// ID that is used again; the pidfd is one without a race.)
type process struct {
	pid int
	fd  int
	cmd *exec.Cmd // nil if we are not its parent
}

// startProcess starts a command as a process of ours.
func startProcess(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	return &process{pid: cmd.Process.Pid, fd: fd, cmd: cmd}, nil
}

// findProcess returns a process whose command line matches, nil if there is none.
func findProcess(matches func(args []string) bool) (*process, error) {
	pids, err := processIDs()
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		if !matches(arguments(pid)) {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has just ended
		}
		if p := (&process{pid: pid, fd: fd}); matches(arguments(pid)) && !p.dead() {
			return p, nil
		}
		unix.Close(fd)
	}
	return nil, nil
}

// processIDs lists the processes of this machine.
func processIDs() ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// arguments is a process's command line, nil if it has ended.
func arguments(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 {
		return nil
	}
	var args []string
	for _, arg := range bytes.Split(bytes.TrimSuffix(text, []byte{0}), []byte{0}) {
		args = append(args, string(arg))
	}
	return args
}

// dead reports whether the process has ended.
func (p *process) dead() bool { return p.poll(0) }

// pollMilliseconds is how long a wait for the end of a process stays in the
// kernel before it looks at its context.
const pollMilliseconds = 200

// close lets go of the process, which runs on.
func (p *process) close() error { return unix.Close(p.fd) }

// wait returns nil once the process has ended.
func (p *process) wait(ctx context.Context) error {
	for !p.poll(pollMilliseconds) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if p.cmd != nil {
		p.cmd.Wait() // its exit status tells nothing: it was not meant to end
		p.cmd = nil
	}
	return nil
}

// poll waits for at most ms milliseconds and reports whether the process has
// ended.
func (p *process) poll(ms int) bool {
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, ms)
	return err == nil && n > 0
}

// signal does nothing to a process that has ended.
func (p *process) signal(sig unix.Signal) error {
	err := unix.PidfdSendSignal(p.fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
