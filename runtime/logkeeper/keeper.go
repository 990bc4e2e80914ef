package logkeeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// drainLimit bounds how long Finish waits for what is still on its way to a
// FIFO that somebody keeps open.
const drainLimit = 2 * time.Second

// keeper is what the keeper's process holds.
type keeper struct {
	dir  string
	loop *loop

	mu    sync.Mutex
	tasks map[string]*kept
}

// kept is one task whose FIFOs are open.
type kept struct {
	dir    string
	log    *log
	pumps  [streams]*pump
	finish func() error
}

// newKeeper opens the FIFOs of every task that an earlier keeper left. One that
// cannot be opened does not keep it from the others.
func newKeeper(dir string) (*keeper, error) {
	loop, err := newLoop()
	if err != nil {
		return nil, err
	}
	k := &keeper{dir: dir, loop: loop, tasks: make(map[string]*kept)}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() || !unfinished(filepath.Join(dir, e.Name())) {
			continue
		}
		if err := k.open(e.Name()); err != nil {
			fmt.Fprintf(os.Stderr, "open the pipes of task %s again: %v\n", e.Name(), err)
		}
	}
	return k, nil
}

// unfinished reports whether the task of the directory may still write.
func unfinished(dir string) bool {
	for s := range streams {
		if _, err := os.Lstat(filepath.Join(dir, s.String())); err == nil {
			return true
		}
	}
	return false
}

// open makes and holds the FIFOs of a task.
func (k *keeper) open(id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tasks[id] != nil {
		return nil
	}
	dir := filepath.Join(k.dir, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	t := &kept{dir: dir, log: &log{dir: dir}}
	for s := range streams {
		p, err := openPump(filepath.Join(dir, s.String()), s, t.log)
		if err != nil {
			return errors.Join(err, t.abandon())
		}
		t.pumps[s] = p
		if err := k.loop.add(p); err != nil {
			return errors.Join(err, t.abandon())
		}
	}
	t.finish = sync.OnceValue(t.drain)
	k.tasks[id] = t
	return nil
}

// abandon closes what could be opened of a task.
func (t *kept) abandon() error {
	var errs []error
	for _, p := range t.pumps {
		if p != nil {
			errs = append(errs, unix.Close(p.writer))
			p.stop()
		}
	}
	return errors.Join(errs...)
}

// drain keeps what is left in the FIFOs and removes them, which tells readers
// that no more will come.
func (t *kept) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	for _, p := range t.pumps {
		p.finish(ctx)
	}
	t.log.close()
	var errs []error
	for s := range streams {
		errs = append(errs, os.Remove(filepath.Join(t.dir, s.String())))
	}
	return errors.Join(errs...)
}

// finish drains and closes the FIFOs of a task, if it has any.
func (k *keeper) finish(id string) error {
	k.mu.Lock()
	t := k.tasks[id]
	k.mu.Unlock()
	if t == nil {
		return nil
	}
	err := t.finish()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tasks[id] == t {
		delete(k.tasks, id)
	}
	return err
}

// remove finishes the task and deletes its logs.
func (k *keeper) remove(id string) error {
	if err := k.finish(id); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(filepath.Join(k.dir, id))
}

// checkID refuses what would lead out of the directory.
func checkID(id string) error {
	if id == "" || id[0] == '.' || filepath.Base(id) != id || id == lockName || id == socketName {
		return fmt.Errorf("%q is not a task ID", id)
	}
	return nil
}
