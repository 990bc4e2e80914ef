// Package cgroup answers what the kernel's control groups, version 1 or 2, can
// do for the tasks of this machine: hold them together, bound what they use, tell
// whether memory was the cause of their end. Executors use it; it never speaks
// to systemd, which may not be there.
package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// Root is where the file system is mounted everywhere.
const Root = "/sys/fs/cgroup"

const (
	clearTime  = 5 * time.Second // that what is killed may take to end
	clearPause = 50 * time.Millisecond
	killPause  = 10 * time.Millisecond
)

// FS is the machine's cgroup file system, version 1 with one hierarchy per
// controller, or version 2 with one for all.
type FS struct {
	Root    string
	Unified bool // version 2
	Swap    bool // swap is accounted and can be limited
}

// Find looks at what is mounted on root, usually /sys/fs/cgroup.
func Find(root string) FS {
	var stat unix.Statfs_t
	unified := unix.Statfs(root, &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
	return FS{Root: root, Unified: unified, Swap: countsSwap(root, unified)}
}

// countsSwap reports whether the kernel counts swap. Of version 2 only a cgroup
// below the root shows it; where there is none it does, as usual.
func countsSwap(root string, unified bool) bool {
	if !unified {
		_, err := os.Stat(filepath.Join(root, "memory", "memory.memsw.limit_in_bytes"))
		return err == nil
	}
	memory, _ := filepath.Glob(filepath.Join(root, "*", "memory.max")) // the pattern is ours
	swap, _ := filepath.Glob(filepath.Join(root, "*", "memory.swap.max"))
	return len(memory) == 0 || len(swap) > 0
}

// File is the path of a controller's file in a cgroup.
func (f FS) File(controller, cgroup, name string) string {
	if f.Unified {
		return filepath.Join(f.Root, cgroup, name)
	}
	return filepath.Join(f.Root, controller, cgroup, name)
}

// OOMKills counts the processes of a cgroup that the kernel has killed because
// the cgroup had reached its memory limit. It is 0 if the cgroup is gone.
func (f FS) OOMKills(cgroup string) (int, error) {
	name := f.File("memory", cgroup, "memory.oom_control")
	if f.Unified {
		name = f.File("memory", cgroup, "memory.events")
	}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if count, ok := strings.CutPrefix(lines.Text(), "oom_kill "); ok {
			return strconv.Atoi(count)
		}
	}
	return 0, lines.Err()
}

// Dirs are the directories of a cgroup, one a hierarchy.
func (f FS) Dirs(cgroup string) []string {
	if f.Unified {
		return []string{filepath.Join(f.Root, cgroup)}
	}
	dirs, err := filepath.Glob(filepath.Join(f.Root, "*", cgroup))
	if err != nil {
		panic(err) // the pattern is ours
	}
	return dirs
}

// Clear removes a cgroup with all that lives in it. What a killed daemon left half
// made may go on for a moment and join the cgroup while it is removed; when it
// does not end in clearTime the error is executor.ErrTemporary.
func (f FS) Clear(ctx context.Context, cgroup string) error {
	patience, cancel := context.WithTimeout(ctx, clearTime)
	defer cancel()
	f.Bar(cgroup)
	for {
		err := f.Kill(patience, cgroup)
		if err == nil {
			err = f.Remove(cgroup)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case patience.Err() != nil:
			return fmt.Errorf("what runs in cgroup %s does not end: %w", cgroup, executor.ErrTemporary)
		case !errors.Is(err, unix.EBUSY):
			return err
		}
		_ = bell.Sleep(patience, clearPause) // the next round says why
	}
}

// Remove removes a cgroup that holds no process, and those below it.
func (f FS) Remove(cgroup string) error {
	var first error
	for _, root := range f.Dirs(cgroup) {
		if err := removeCgroup(root); err != nil && first == nil {
			first = fmt.Errorf("remove cgroup %s: %w", root, err)
		}
	}
	return first
}

// RemoveOwn removes a node's cgroup and, if no other node of this machine has one
// beside it, the one above.
func (f FS) RemoveOwn(cgroup string) error {
	if err := f.Remove(cgroup); err != nil {
		return err
	}
	for _, dir := range f.Dirs(path.Dir(cgroup)) {
		err := unix.Rmdir(dir)
		if err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("remove cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// removeCgroup removes directories only: a cgroup's files go with it.
func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // containerd may remove it too
		return err
	}
	return nil
}

// Kill returns once no process is left in a cgroup and in those below it.
func (f FS) Kill(ctx context.Context, cgroup string) error {
	for {
		pids, err := f.processes(cgroup)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		if err := bell.Sleep(ctx, killPause); err != nil {
			return err
		}
	}
}

// Bar keeps what lives in a cgroup from making more of itself while it is killed,
// and has the kernel kill it at once where it can.
func (f FS) Bar(cgroup string) {
	for _, dir := range f.Dirs(cgroup) {
		_ = write(filepath.Join(dir, "pids.max"), "0")
		_ = write(filepath.Join(dir, "cgroup.kill"), "1")
	}
}

// processes lists those of a cgroup and of all below it. One of another PID
// namespace reads as 0, which kill would take for our own process group.
func (f FS) processes(cgroup string) (pids []int, err error) {
	for _, root := range f.Dirs(cgroup) {
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Name() != "cgroup.procs" {
				return ignoreMissing(err)
			}
			text, err := os.ReadFile(name)
			if errors.Is(err, syscall.EOPNOTSUPP) {
				return nil // it has threads, of processes that a cgroup above it has
			}
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					pids = append(pids, pid)
				}
			}
			return ignoreMissing(err)
		})
		if err != nil {
			return nil, err
		}
	}
	return pids, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}
