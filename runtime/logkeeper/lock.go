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
	// The name in parentheses may hold anything. The fields after it are
	// numbered from 3, the state; the 20th is the number of threads, the 22nd
	// the start time. A process whose first thread has ended holds its files
	// until the others have.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	p := process{pid: pid}
	if len(fields) < 20 {
		return p, fmt.Errorf("read /proc/%d/stat: too short", pid)
	}
	if string(fields[0]) == "Z" && string(fields[17]) == "1" {
		return p, fmt.Errorf("process %d has ended", pid)
	}
	_, err = fmt.Sscan(string(fields[19]), &p.start)
	return p, err
}

func (p process) lives() bool {
	now, err := lookUp(p.pid)
	return err == nil && now == p
}

// holder is the process that last wrote the lock file, the zero process if none
// did.
func holder(file *os.File) (p process) {
	text := make([]byte, 64)
	n, _ := file.ReadAt(text, 0)
	_, _ = fmt.Sscan(string(text[:n]), &p.pid, &p.start)
	return p
}

// evict kills a keeper that holds the directory but does not answer. It does
// nothing when no keeper lives; see awaitEnd.
func evict(ctx context.Context, dir string) error {
	return awaitEnd(ctx, dir, func(p process) error { return unix.Kill(p.pid, unix.SIGKILL) })
}

// awaitEnd waits until the keeper of the directory is gone with all that it
// held. It calls end once while the keeper lives.
func awaitEnd(ctx context.Context, dir string, end func(process) error) error {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for told := false; ; {
		p := holder(file)
		err := flock(file)
		if err == nil { // closing is not enough: a child that is being started has a copy
			err = unix.Flock(int(file.Fd()), unix.LOCK_UN)
			if err != nil || !p.lives() {
				return err
			}
		} else if !errors.Is(err, errLocked) {
			return err
		}
		if !told && p.lives() {
			told = end(p) == nil
		}
		select {
		case <-time.After(10 * time.Millisecond): // the kernel tells nobody but a parent
		case <-ctx.Done():
			return fmt.Errorf("%w and does not end: %w", errLocked, ctx.Err())
		}
	}
}
