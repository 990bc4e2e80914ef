package procfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Held is a process that cannot become another one while it is held, whoever
// its parent is.
type Held struct {
	file *os.File // a pidfd, which becomes readable at the end of the process
}

// hold holds the process; os.ErrProcessDone if it has ended.
func (p Process) hold() (*Held, error) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, os.ErrProcessDone
	}
	if err != nil {
		return nil, fmt.Errorf("hold process %d: %w", p.PID, err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for the runtime's poller
		return nil, errors.Join(err, unix.Close(fd))
	}
	held := &Held{os.NewFile(uintptr(fd), "pidfd")}
	if !p.Lives() { // only now it is sure whom the descriptor means
		return nil, errors.Join(os.ErrProcessDone, held.Close())
	}
	return held, nil
}

// WhileHeld calls do with the process held. It does nothing if that has ended.
func (p Process) WhileHeld(do func(*Held) error) error {
	held, err := p.hold()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer held.Close()
	return do(held)
}

// Wait returns nil once the process has ended, ctx.Err() if ctx ends first.
func (p Process) Wait(ctx context.Context) error {
	return p.WhileHeld(func(held *Held) error { return held.Wait(ctx) })
}

// Signal does nothing to a process that has ended.
func (p Process) Signal(sig unix.Signal) error {
	return p.WhileHeld(func(held *Held) error { return held.Signal(sig) })
}

// Signal does nothing to a process that has ended.
func (h *Held) Signal(sig unix.Signal) error {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if errors.Is(sent, unix.ESRCH) {
		sent = nil
	}
	return errors.Join(err, sent)
}

// Wait returns nil once the process has ended, ctx.Err() if ctx ends first. Call
// it from one goroutine at a time.
func (h *Held) Wait(ctx context.Context) error {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return err
	}
	if err := h.file.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = h.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := conn.Read(ended); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	return nil
}

func ended(pidfd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// Close lets go of the process, which goes on.
func (h *Held) Close() error { return h.file.Close() }
