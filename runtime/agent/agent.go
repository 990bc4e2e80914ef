package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/secrets"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Config is what an agent is made of. The fields that may be nil say so.
type Config struct {
	NodeID   string
	Dir      string // for the agent's own memory
	Executor executor.Executor
	Files    *secrets.Dir // nil: tasks with secrets or configs are rejected here
	Logs     Logs         // nil: this node keeps no logs
	Log      *slog.Logger

	// Dial connects to the manager at addr, for a session or for calls. The agent
	// closes it.
	Dial func(ctx context.Context, addr string, protocol wire.Protocol) (net.Conn, error)

	// Managers are the addresses to begin with. Where managers are later is told
	// by them, and remembered.
	Managers []string

	// Local is what the manager in this process knows of the managers, nothing
	// while there is none. It is asked before each session; nil never knows.
	Local func() []wire.Manager

	// Told gets what the leader says of this node, its Role and its Renew, when a
	// session opens and whenever it says something else. It does not block. Nil
	// is not told.
	Told func(wire.Place)

	// Trouble is what the operator should know of this node. It is asked for each
	// heartbeat; nil never has any.
	Trouble func() wire.Trouble

	// Renewed is readable when the node has another certificate; a session of
	// the new one then replaces the session of the old one. Nil never is.
	Renewed <-chan struct{}

	// Collect removes images that are none of the needed and that nothing uses, as
	// far as it is time. Nil: there are none.
	Collect func(ctx context.Context, needed []string, now time.Time) error

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
	desk   *desk
	crew   *crew
	memory *memory
	outbox *outbox

	known   atomic.Pointer[[]wire.Manager] // for others: see Known
	removed atomic.Bool                    // likewise: see Removed
	leave   *leave

	// Of the goroutine of sessions.
	managers *managers
	said     map[string]bool // the troubles since the last session that are in the log
	begun    time.Time       // when the first session was tried
	last     *specs.NodeDescription
}

// New returns an agent that does nothing until it runs.
func New(c Config) *Agent {
	if c.Told == nil {
		c.Told = func(wire.Place) {}
	}
	if c.Trouble == nil {
		c.Trouble = func() wire.Trouble { return wire.Trouble{} }
	}
	if c.Files == nil {
		c.Files = secrets.New()
	}
	return &Agent{Config: c, desk: new(desk), leave: newLeave()}
}

// Run runs the node's tasks until ctx ends, and then leaves them running; after
// Leave it returns once they have ended. Its error says why the node's memory
// could not be opened.
func (a *Agent) Run(ctx context.Context) error {
	memory, was, err := recall(ctx, filepath.Join(a.Dir, memoryFile), a.Log)
	if err != nil {
		return err
	}
	a.memory = memory
	a.outbox = newOutbox()
	a.crew = newCrew(a.Config, a.desk, a.memory, a.outbox)

	var running sync.WaitGroup
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	running.Go(func() { a.memory.run(keep, a.Log) })
	if err = a.restore(ctx, was); err == nil {
		a.work(ctx)
	}
	a.crew.wait()
	stopKeeping() // after the last driver has said its last word
	running.Wait()
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, a.memory.close())
}

// restore takes up what the disk knew, and gives every task that the disk or the
// executor knows to the crew. It waits for an executor that is away: nothing can be
// decided before.
func (a *Agent) restore(ctx context.Context, was remembered) error {
	a.managers = newManagers(a.Config.Managers, was.managers)
	a.publish()
	pause := backoff{}
	for {
		found, err := a.Executor.List(ctx)
		if err == nil {
			a.crew.restore(ctx, was.rows, found)
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
