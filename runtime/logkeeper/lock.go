package logkeeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs/bell"
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
	me, err := procfs.Self()
	if err == nil { // in place: a full disk has room for that, and nobody reads an empty file
		_, err = file.WriteAt(fmt.Appendf(nil, "%-20d %-20d\n", me.PID, me.Start), 0)
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

// holder is the process that last wrote the lock file, the zero Process if none
// did.
func holder(file *os.File) (p procfs.Process) {
	text := make([]byte, 64)
	n, _ := file.ReadAt(text, 0)
	_, _ = fmt.Sscan(string(text[:n]), &p.PID, &p.Start)
	return p
}

// evict kills a keeper that holds the directory but does not answer. It does
// nothing when no keeper lives; see awaitEnd.
func evict(ctx context.Context, dir string) error {
	return awaitEnd(ctx, dir, func(p procfs.Process) error { return p.Signal(unix.SIGKILL) })
}

// awaitEnd waits until the keeper of the directory is gone with all that it
// held. It calls end once while the keeper lives.
func awaitEnd(ctx context.Context, dir string, end func(procfs.Process) error) error {
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
			if err != nil || !p.Lives() {
				return err
			}
		} else if !errors.Is(err, errLocked) {
			return err
		}
		if !told && p.Lives() {
			told = end(p) == nil
		}
		if err := bell.Sleep(ctx, 10*time.Millisecond); err != nil { // the kernel tells nobody but a parent
			return fmt.Errorf("%w and does not end: %w", errLocked, err)
		}
	}
}
