package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/procfs"
)

// endStrays kills what a task whose supervisor was killed has left: what is in
// its session, and what carries its marker. It returns once none is left.
func endStrays(ctx context.Context, id string, s state) error {
	patience, cancel := context.WithTimeout(ctx, killPatience)
	defer cancel()
	for {
		all, err := procfs.All()
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(all, func(p procfs.Stat) bool { return !isStray(p, id, s) })
		if len(left) == 0 {
			return nil
		}
		for _, p := range left {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d: %w", p.PID, err)
			}
		}
		if pause(patience, lookPause/2) != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("process %d of task %s does not end: %w", left[0].PID, id, executor.ErrTemporary)
		}
	}
}

// isStray holds for processes that began with or after the supervisor only: a
// session's number is used again too.
func isStray(p procfs.Stat, id string, s state) bool {
	if p.Start < s.supervisor.Start || p.Process == s.supervisor {
		return false
	}
	return s.main.PID != 0 && p.Session == s.main.PID || slices.Contains(p.Environ(), marker+"="+id)
}

// killDescendants kills all that the calling process has started, and what that
// has: as a subreaper it is the ancestor of all of it. It does not wait.
func killDescendants() error {
	all, err := procfs.All()
	if err != nil {
		return err
	}
	ours := map[int]bool{syscall.Getpid(): true}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if ours[p.Parent] && !ours[p.PID] {
				ours[p.PID], grown = true, true
			}
		}
	}
	delete(ours, syscall.Getpid())
	for pid := range ours {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may end by itself; whoever does not is seen again
	}
	return nil
}

// reapPause is between two looks at what does not end at once.
const reapPause = 5 * time.Millisecond
