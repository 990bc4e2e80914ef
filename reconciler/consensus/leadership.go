package consensus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// leadership is whether this manager leads, and who waits for it to begin or
// to end.
type leadership struct {
	mu      sync.Mutex
	leading bool
	term    int                  // how many terms have begun here
	ended   chan struct{}        // closed when the latest of them ends
	over    bool                 // nobody leads here any more
	begun   chan struct{}        // closed when a term begins, or with over
	terms   []context.CancelFunc // of the contexts that end with this term
}

func (l *leadership) init() {
	l.begun, l.ended = make(chan struct{}), make(chan struct{})
	close(l.ended)
}

// start begins a term unless the consensus is closing.
func (l *leadership) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.leading {
		return
	}
	l.leading, l.ended = true, make(chan struct{})
	l.term++
	close(l.begun)
}

// end ends a term, if there is one.
func (l *leadership) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endTerm(l.term)
}

// endTerm ends that term, if it lasts. The caller holds the lock.
func (l *leadership) endTerm(term int) {
	if !l.leading || term != l.term {
		return
	}
	l.leading, l.begun = false, make(chan struct{})
	close(l.ended)
	for _, cancel := range l.terms {
		cancel()
	}
	l.terms = nil
}

// latest is the number of the latest term.
func (l *leadership) latest() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.term
}

// quit ends that term unless another has begun.
func (l *leadership) quit(term int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endTerm(term)
}

// idle returns a channel that is closed when no term lasts.
func (l *leadership) idle() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// lasts reports whether a term lasts.
func (l *leadership) lasts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leading
}

// close lets nobody wait any more. It follows end.
func (l *leadership) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.over = true
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
		begun, over := c.begun, c.over
		c.leadership.mu.Unlock()
		if over {
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
	var others sync.WaitGroup
	c.pulse.last.Store(int64(time.Since(c.opened)))
	others.Go(func() { c.keepPulse(ctx) })
	others.Go(func() { c.watch(ctx) })
	others.Go(c.write)
	err := c.run(ctx)
	others.Go(c.ignoreTurns)
	err = errors.Join(err, c.Close())
	others.Wait()
	return err
}

// ignoreTurns lets raft go on while Close hands over: raft waits until somebody
// has taken note of each turn.
func (c *Consensus) ignoreTurns() {
	for {
		select {
		case <-c.turns:
		case <-c.released:
			return
		}
	}
}

func (c *Consensus) run(ctx context.Context) error {
	tick := time.NewTicker(diskPeriod)
	defer tick.Stop()
	var ready <-chan error // of the term that is to begin
	for {
		select {
		case leads := <-c.turns:
			ready = c.turn(ctx, leads)
		case err := <-ready:
			ready = c.office(ctx, err)
		case <-c.pulse.awake:
			if c.raft.State() == raft.Leader {
				ready = c.prepare(0)
			}
		case <-tick.C:
			c.disk.check()
			c.mark()
		case <-c.machine.failed:
			return c.machine.failure()
		case <-c.closed:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// turn ends a term, or returns a channel that tells when one can begin: when all
// that was committed before is applied here. Raft answers a barrier when it is,
// or when office is lost.
func (c *Consensus) turn(ctx context.Context, leads bool) <-chan error {
	if !leads {
		c.leadership.end()
		c.log.InfoContext(ctx, "this manager leads no more")
		return nil
	}
	return c.prepare(0)
}

// prepare asks for the barrier, after a pause.
func (c *Consensus) prepare(pause time.Duration) <-chan error {
	if !c.count(true) {
		return nil
	}
	ready := make(chan error, 1)
	go func() {
		defer c.proposals.Done()
		time.Sleep(pause)
		ready <- c.raft.Barrier(0).Error()
	}()
	return ready
}

// barrierPause is the time until a barrier is asked for again.
const barrierPause = 10 * time.Millisecond

// office begins a term, or tries again: a manager that is elected right after it has
// handed over finds raft refusing what it asks for because of that, for a moment. If
// raft has lost its office, the turn that ends it is on its way.
func (c *Consensus) office(ctx context.Context, err error) (ready <-chan error) {
	if err != nil && c.raft.State() == raft.Leader {
		return c.prepare(barrierPause)
	}
	if err != nil {
		c.log.InfoContext(ctx, "office lost before it was taken", "error", err)
		return nil
	}
	c.clock.lead(c.machine.last())
	c.leadership.start()
	c.log.InfoContext(ctx, "this manager leads", "term", c.raft.CurrentTerm())
	return nil
}

// Confirm returns once a majority of the managers has agreed that this one leads, to
// a heartbeat that was sent after the call: nobody had taken over by then, and the
// store here holds all that was acknowledged before. It is an answer of the leader
// only, who does not find out by itself that it was frozen for a while and deposed.
// Raft's VerifyLeader would not do: it also counts answers to what was sent before,
// and such lie ready for one that wakes up. Heartbeats go out all the time, so a call
// takes one or two of them, and many at once cost no more than one.
func (c *Consensus) Confirm(ctx context.Context) error {
	asked, ended := time.Now(), c.idle()
	for {
		answer := c.gate.agreement.Next()
		agreed, err := c.agreed(asked)
		if err != nil {
			return err
		}
		select {
		case <-ended:
			return ErrNotLeader
		default:
		}
		if agreed {
			return nil
		}
		select {
		case <-answer:
		case <-ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// agreed reports whether a majority follows what this manager has sent since then.
func (c *Consensus) agreed(since time.Time) (bool, error) {
	members, err := c.Members()
	if err != nil {
		return false, err
	}
	agree := 0
	for _, m := range members {
		if m.Voter && (raft.ServerID(m.ID) == c.id || c.gate.agreed(raft.ServerID(m.ID), since)) {
			agree++
		}
	}
	return agree >= quorum(voters(members)), nil
}
