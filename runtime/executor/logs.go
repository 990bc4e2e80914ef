package executor

import "context"

// Logs takes what tasks write. Its pipes live in another process than the
// daemon: they outlive it. What was written stays when a task is removed here,
// for people to read; the agent removes it when the task is forgotten.
type Logs interface {
	// Open returns the FIFOs that a task's process gets as stdout and stderr,
	// once a reader holds them. It may be called again for the same task. An error
	// says nothing about the task: an executor makes it ErrTemporary.
	Open(ctx context.Context, taskID string) (stdoutPath, stderrPath string, err error)
	// Finish returns once everything that the ended task wrote is kept; who follows
	// its log then comes to the end. It may be called again, and for a task that was
	// never opened.
	Finish(ctx context.Context, taskID string) error
}
