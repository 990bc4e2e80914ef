package logkeeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

const (
	// helloLimit is how long a keeper may take to answer before it is taken
	// for dead and killed. What tasks write meanwhile waits in their pipes.
	helloLimit = 5 * time.Second
	startLimit = 30 * time.Second
	// askLimit is how long a keeper that said hello may take for one request:
	// to drain a log, and as much again. The next try finds out that it hangs.
	askLimit   = 2 * drainLimit
	startPause = time.Second // after a keeper could not be started
)

// Config says where logs lie and how a keeper is started.
type Config struct {
	Dir     string       // absolute
	Command []string     // runs Main; the directory is added as its argument
	Log     *slog.Logger // nil is the default one
}

// Client is the daemon's side of the node's keeper. Its methods start a keeper
// when none lives, and are safe for concurrent use.
type Client struct {
	Config
	starting sync.Mutex // held while a keeper is started or stopped, so that it is one
}

// New returns a client; it does nothing yet.
func New(config Config) *Client {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	return &Client{Config: config}
}

// Run sees to it that a keeper lives until ctx ends; the keeper outlives it.
func (c *Client) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := c.watch(ctx); err != nil && ctx.Err() == nil {
			c.Log.ErrorContext(ctx, "no log keeper", "error", err)
			_ = bell.Sleep(ctx, startPause)
		}
	}
	return ctx.Err()
}

// watch waits until the keeper dies.
func (c *Client) watch(ctx context.Context) error {
	p, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	stop := context.AfterFunc(ctx, p.close)
	defer stop()
	if _, err := p.lines.ReadByte(); ctx.Err() == nil {
		c.Log.WarnContext(ctx, "the log keeper is gone, another is started", "error", err)
	}
	return nil
}

// Open makes the FIFOs of a task and returns their paths once the keeper holds
// them. It may be called again: the paths of a task are always the same.
func (c *Client) Open(ctx context.Context, taskID string) (stdoutPath, stderrPath string, err error) {
	if err := c.ask(ctx, verbOpen, taskID); err != nil {
		return "", "", err
	}
	dir := filepath.Join(c.Dir, taskID)
	return filepath.Join(dir, stdout.String()), filepath.Join(dir, stderr.String()), nil
}

// Finish returns once everything that an ended task wrote is in its log. It is
// nil for a task that was never opened or is finished already.
func (c *Client) Finish(ctx context.Context, taskID string) error {
	return c.ask(ctx, verbFinish, taskID)
}

// Remove deletes a task's log, and its FIFOs if it was not finished.
func (c *Client) Remove(ctx context.Context, taskID string) error {
	return c.ask(ctx, verbRemove, taskID)
}

// Living is the process of the keeper; it is false if none lives.
func (c *Client) Living() (procfs.Process, bool) {
	file, err := os.Open(filepath.Join(c.Dir, lockName))
	if err != nil {
		return procfs.Process{}, false
	}
	defer file.Close()
	p := holder(file)
	return p, p.Lives()
}

// Stop ends the keeper, for a node that is taken down with all its tasks: one
// that does not obey is killed. Logs and FIFOs stay.
func (c *Client) Stop(ctx context.Context) error {
	c.starting.Lock()
	defer c.starting.Unlock()
	if _, lives := c.Living(); !lives {
		return nil
	}
	if c.quit(ctx) == nil {
		return awaitEnd(ctx, c.Dir, func(procfs.Process) error { return nil })
	}
	return evict(ctx, c.Dir)
}

func (c *Client) quit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, helloLimit)
	defer cancel()
	p, err := dial(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer p.close()
	return p.ask(ctx, verbQuit, "")
}

// ask lets the keeper do something, if need be a second one when the first dies
// of it: every request may be repeated.
func (c *Client) ask(ctx context.Context, verb, taskID string) error {
	var err error
	for range 2 {
		var p *peer
		if p, err = c.connect(ctx); err != nil {
			break
		}
		limited, cancel := context.WithTimeout(ctx, askLimit)
		err = p.ask(limited, verb, taskID)
		cancel()
		p.close()
		if refused := refusal(""); err == nil || errors.As(err, &refused) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s the log of task %s: %w", verb, taskID, err)
	}
	return nil
}

// connect returns a connection to a keeper that answers, which is started if
// there is none.
func (c *Client) connect(ctx context.Context) (*peer, error) {
	if p, err := c.greet(ctx); err == nil {
		return p, nil
	}
	c.starting.Lock()
	defer c.starting.Unlock()
	if p, err := c.greet(ctx); err == nil {
		return p, nil // another caller started it
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := evict(ctx, c.Dir); err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, fmt.Errorf("start the log keeper: %w", err)
	}
	return c.greet(ctx)
}

// greet connects to a living keeper that speaks our protocol.
func (c *Client) greet(ctx context.Context) (*peer, error) {
	ctx, cancel := context.WithTimeout(ctx, helloLimit)
	defer cancel()
	p, err := dial(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	if err := p.ask(ctx, verbHello, protocol); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// start starts a keeper in a session of its own and waits until it holds every
// pipe.
func (c *Client) start(ctx context.Context) error {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	diary, err := os.OpenFile(filepath.Join(c.Dir, "keeper.err"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(err, theirs.Close())
	}
	defer diary.Close()
	cmd := exec.Command(c.Command[0], append(c.Command[1:len(c.Command):len(c.Command)], c.Dir)...)
	cmd.Dir, cmd.Stderr, cmd.ExtraFiles = "/", diary, []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = errors.Join(cmd.Start(), theirs.Close())
	if err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // for as long as the keeper lives, so that it leaves no zombie
	return c.awaitReady(ctx, ready)
}

func (c *Client) awaitReady(ctx context.Context, ready *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	said, err := io.ReadAll(ready)
	switch text := strings.TrimSpace(string(said)); {
	case err != nil:
		return errors.Join(ctx.Err(), err)
	case text == readyWord:
		return nil
	case text != "":
		return errors.New(text)
	}
	return fmt.Errorf("it ended without a word: see %s", filepath.Join(c.Dir, "keeper.err"))
}
