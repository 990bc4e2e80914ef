package process

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// endStrays kills what a task has left whose supervisor, or a command's attendant,
// was killed: what is in its session, and what carries its marker. It returns once
// none is left.
func endStrays(ctx context.Context, id string, s state) error {
	patience, cancel := context.WithTimeout(ctx, killPatience)
	defer cancel()
	for {
		all, err := procfs.All()
		if err != nil {
			return err
		}
		left := strays(all, id, s)
		if len(left) == 0 {
			return nil
		}
		for _, p := range left {
			if err := p.Signal(unix.SIGKILL); err != nil {
				return fmt.Errorf("kill process %d: %w", p.PID, err)
			}
		}
		if bell.Sleep(patience, lookPause/2) != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("process %d of task %s does not end: %w", left[0].PID, id, executor.ErrTemporary)
		}
	}
}

// strays are those of all that the task has left. They began with or after its
// supervisor, and their session is the task's unless its number is another
// process's by now: it is used again when nobody of the session is left, as is
// sure of a task that its supervisor saw to its end.
func strays(all []procfs.Stat, id string, s state) []procfs.Stat {
	session := s.main.PID
	if s.end != nil || slices.ContainsFunc(all, func(p procfs.Stat) bool { return p.PID == session && p.Process != s.main }) {
		session = 0
	}
	return slices.DeleteFunc(all, func(p procfs.Stat) bool {
		return p.Start < s.supervisor.Start || p.Process == s.supervisor ||
			(session == 0 || p.Session != session) && !slices.Contains(p.Environ(), marker+"="+id)
	})
}

// killDescendants kills all that the calling process has started, and what that
// has: as a subreaper it is the ancestor of all of it. It does not wait.
func killDescendants() error {
	all, err := procfs.All()
	if err != nil {
		return err
	}
	ours := map[int]bool{syscall.Getpid(): true}
	var descendants []procfs.Process
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if ours[p.Parent] && !ours[p.PID] {
				ours[p.PID], grown = true, true
				descendants = append(descendants, p.Process)
			}
		}
	}
	for _, p := range descendants {
		_ = p.Signal(unix.SIGKILL) // it may end by itself; whoever does not is seen again
	}
	return nil
}

// reapPause is between two looks at what does not end at once.
const reapPause = 5 * time.Millisecond
