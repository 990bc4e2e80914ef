package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// leadership is whether this manager leads, and who waits for it to begin or
// to end.
type leadership struct {
	mu      sync.Mutex
	leading bool
	closing bool
	begun   chan struct{}        // closed when a term begins, or with closing
	terms   []context.CancelFunc // of the contexts that end with this term
}

func (l *leadership) init() { l.begun = make(chan struct{}) }

// start begins a term unless the consensus is closing.
func (l *leadership) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || l.leading {
		return
	}
	l.leading = true
	close(l.begun)
}

// end ends a term, if there is one.
func (l *leadership) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leading {
		return
	}
	l.leading, l.begun = false, make(chan struct{})
	for _, cancel := range l.terms {
		cancel()
	}
	l.terms = nil
}

// close lets nobody wait any more. It follows end.
func (l *leadership) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing {
		l.closing = true
		close(l.begun)
	}
}

// Leading waits until this manager leads and returns a context that ends with
// its term, or with ctx. It returns ctx's error, or ErrClosed.
func (c *Consensus) Leading(ctx context.Context) (context.Context, error) {
	for {
		c.leadership.mu.Lock()
		if c.leading {
			term, cancel := context.WithCancel(ctx)
			c.terms = append(c.terms, cancel)
			c.leadership.mu.Unlock()
			return term, nil
		}
		begun, closing := c.begun, c.closing
		c.leadership.mu.Unlock()
		if closing {
			return nil, ErrClosed
		}
		select {
		case <-begun:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Run takes and gives up office and watches the disk until ctx ends, then
// closes. It returns early with the error of an entry that this release cannot
// read.
func (c *Consensus) Run(ctx context.Context) error {
	tick := time.NewTicker(diskPeriod)
	defer tick.Stop()
	for {
		select {
		case leads := <-c.turns:
			c.turn(ctx, leads)
		case <-tick.C:
			c.checkDisk()
		case <-c.machine.failed:
			return errors.Join(c.machine.failure(), c.Close())
		case <-c.closed:
			return nil
		case <-ctx.Done():
			return c.Close()
		}
	}
}

// turn begins or ends a term. A term begins when all that was committed before
// is applied here: raft answers a barrier when it is, or when office is lost.
func (c *Consensus) turn(ctx context.Context, leads bool) {
	if !leads {
		c.leadership.end()
		c.log.InfoContext(ctx, "this manager leads no more")
		return
	}
	if err := c.raft.Barrier(0).Error(); err != nil {
		c.log.InfoContext(ctx, "office lost before it was taken", "error", err)
		return
	}
	c.clock.start(time.Now(), c.machine.last())
	c.leadership.start()
	c.log.InfoContext(ctx, "this manager leads", "term", c.raft.CurrentTerm())
}

func (c *Consensus) checkDisk() {
	if c.disk != nil {
		c.disk.check()
	}
}

// Barrier returns once everything that was committed before is applied here. It
// is an answer of the leader only.
func (c *Consensus) Barrier(ctx context.Context) error {
	if !c.begin() {
		return ErrNotLeader
	}
	done := make(chan error, 1)
	go func() {
		defer c.proposals.Done()
		done <- c.raft.Barrier(0).Error()
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotLeader, err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AddVoter makes the manager at address, whose Open has not bootstrapped, one of
// those who vote. It blocks until the change is committed.
func (c *Consensus) AddVoter(id, address string) error {
	if err := c.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0).Error(); err != nil {
		return fmt.Errorf("make manager %s at %s a voter: %w", id, address, err)
	}
	return nil
}

// clock is the time of a term.
type clock struct {
	mu    sync.Mutex
	begun time.Time // read by the monotonic clock
	base  time.Time // what it was then
}

// start sets the clock to the later of the wall clock and last.
func (c *clock) start(wall, last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun, c.base = wall, wall.Round(0).UTC()
	if last.After(c.base) {
		c.base = last.UTC()
	}
}

// Now is the time by which the cluster's rules decide. It never goes back
// within a term, nor behind the time of an entry that was applied before it.
func (c *Consensus) Now() time.Time {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return c.clock.base.Add(time.Since(c.clock.begun))
}
