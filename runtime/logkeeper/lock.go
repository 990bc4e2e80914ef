package logkeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is the file that a keeper locks for as long as it lives, and into
// which it writes who it is.
const lockName = "keeper.lock"

var errLocked = errors.New("another log keeper holds this directory")

// takeLock makes this process the keeper of the directory.
func takeLock(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	me, err := self()
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintf(file, "%d %d\n", me.pid, me.start)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", file.Name(), err), file.Close())
	}
	return file, nil
}

func flock(file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return errLocked
	}
	return err
}

// process is a process that its number alone would not name for ever.
type process struct {
	pid   int
	start uint64 // ticks since boot
}

func self() (process, error) { return lookUp(os.Getpid()) }

// lookUp finds the process that has the number now.
func lookUp(pid int) (process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	// The name in parentheses may hold anything; the fields after it are
	// numbered from 3, the start time is the 22nd.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	p := process{pid: pid}
	if len(fields) < 20 {
		return p, fmt.Errorf("read /proc/%d/stat: too short", pid)
	}
	_, err = fmt.Sscan(string(fields[19]), &p.start)
	return p, err
}

// evict kills a keeper that holds the directory but does not answer, and waits
// until it is gone. It does nothing when no keeper lives.
func evict(ctx context.Context, dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for killed := false; ; {
		err := flock(file)
		if err == nil { // closing is not enough: a child that is being started has a copy
			return unix.Flock(int(file.Fd()), unix.LOCK_UN)
		}
		if !errors.Is(err, errLocked) {
			return err
		}
		if !killed {
			killed = kill(file) == nil
		}
		select {
		case <-time.After(10 * time.Millisecond): // the kernel tells nobody but a parent
		case <-ctx.Done():
			return fmt.Errorf("%w and does not answer: %w", errLocked, ctx.Err())
		}
	}
}

// kill ends the process that the lock file names, if it still is that process.
func kill(file *os.File) error {
	var holder process
	text := make([]byte, 64)
	n, _ := file.ReadAt(text, 0)
	if _, err := fmt.Sscan(string(text[:n]), &holder.pid, &holder.start); err != nil {
		return err
	}
	if alive, err := lookUp(holder.pid); err != nil || alive != holder {
		return fmt.Errorf("process %d is another one by now", holder.pid)
	}
	return unix.Kill(holder.pid, unix.SIGKILL)
}
