package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Config is what an agent is made of. All fields but Logs are needed.
type Config struct {
	NodeID   string
	Dir      string // for the agent's own memory
	Executor executor.Executor
	Logs     Logs // nil: this node keeps no logs
	Log      *slog.Logger

	// Connect returns a client of a manager, the leader if it is known, with a
	// connection of its own. The agent closes it.
	Connect func(ctx context.Context) (*wire.Client, error)

	// Describe says what the node is; the executor's Describe is a good start.
	// It is asked again every 20 s, and a new answer opens a new session.
	Describe func(ctx context.Context) (specs.NodeDescription, error)
}

// Logs reads what tasks wrote.
type Logs interface {
	// Read yields the lines of a task, oldest first, until there are no more or,
	// when following, until the task has ended. It returns the error of yield.
	Read(ctx context.Context, taskID string, opts LogOptions, yield func([]wire.LogLine) error) error
	// Remove takes away the logs of a task that the cluster has forgotten.
	Remove(ctx context.Context, taskID string) error
}

// LogOptions says which lines are wanted.
type LogOptions struct {
	Follow bool
	Tail   int       // the last lines; negative is all
	Since  time.Time // zero is all
}

// Agent runs the tasks of one node.
type Agent struct {
	Config
	crew   *crew
	memory *memory
	outbox *outbox
}

// New returns an agent that does nothing until it runs.
func New(c Config) *Agent { return &Agent{Config: c} }

// Run runs the node's tasks until ctx ends, and then leaves them running. Its
// error says why the node's memory could not be opened.
func (a *Agent) Run(ctx context.Context) error {
	var err error
	if a.memory, err = openMemory(filepath.Join(a.Dir, memoryFile)); err != nil {
		return err
	}
	a.outbox = newOutbox()
	a.crew = newCrew(a.Config, a.memory, a.outbox)

	var running sync.WaitGroup
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	running.Go(func() { a.memory.run(keep, a.Log) })
	if err = a.restore(ctx); err == nil {
		a.sessions(ctx)
	}
	a.crew.wait()
	stopKeeping() // after the last driver has said its last word
	running.Wait()
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, a.memory.close())
}

// restore gives every task that the disk or the executor knows to the crew. It
// waits for an executor that is away: nothing can be decided before.
func (a *Agent) restore(ctx context.Context) error {
	rows, err := a.memory.load()
	if err != nil {
		return fmt.Errorf("read the node's tasks: %w", err)
	}
	pause := backoff{}
	for {
		found, err := a.Executor.List(ctx)
		if err == nil {
			a.crew.restore(ctx, rows, found)
			return nil
		}
		if !errors.Is(err, executor.ErrTemporary) {
			return fmt.Errorf("list the node's containers: %w", err)
		}
		a.Log.WarnContext(ctx, "waiting for the container engine", "error", err)
		if !pause.wait(ctx) {
			return ctx.Err()
		}
	}
}
