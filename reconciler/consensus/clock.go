package consensus

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// steering is the part of the time that passes by which the clock may be
	// faster or slower, to come nearer to the wall clock of who leads.
	steering = 10
	// markPeriod is how often a leader says what time it is, if it has nothing else
	// to write.
	markPeriod = time.Minute
)

// clock is the cluster's time, as far as this manager knows it. It is counted on
// from what the leader's entries say, so a manager whose wall clock is wrong does
// not take the cluster into another time when it is elected: deadlines would be
// over that nobody has lived through. The wall clock is believed where nobody
// leads who could be counted on from, and it steers.
type clock struct {
	wall func() time.Time

	mu    sync.Mutex
	known bool      // a leader has said what time it is
	at    time.Time // what it was
	when  time.Time // then, by the monotonic clock
}

// follow sets the clock to what the leader says now.
func (c *clock) follow(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(at)
	c.known = true
}

// lead begins a term of this manager, not before the time of the last entry.
func (c *clock) lead(last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		c.set(c.at.Add(time.Since(c.when)))
	} else {
		c.set(c.wall().Round(0))
	}
	if last.After(c.at) {
		c.set(last)
	}
	c.known = true
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return c.wall().Round(0).UTC()
	}
	c.advance()
	return c.at
}

func (c *clock) set(at time.Time) { c.at, c.when = at.UTC(), time.Now() }

func (c *clock) advance() {
	passed := time.Since(c.when)
	c.at, c.when = c.at.Add(passed), c.when.Add(passed)
	c.at = c.at.Add(min(max(c.wall().Round(0).Sub(c.at), -passed/steering), passed/steering))
}

// AppliedAt is the latest time that an applied entry carries.
func (c *Consensus) AppliedAt() time.Time { return c.machine.last() }

// Now is the time by which the cluster's rules decide. It never goes back within
// a term, nor behind the time of an entry that was applied before it.
func (c *Consensus) Now() time.Time { return c.clock.now() }

// mark tells the others what time it is, if nothing has for a while.
func (c *Consensus) mark() {
	if c.machine.idle() < markPeriod || c.DiskTrouble() != nil || len(c.raft.GetConfiguration().Configuration().Servers) == 1 || !c.begin() {
		return
	}
	p := &proposal{total: 1, left: 1, done: make(chan error, 1)}
	if !c.queue.add(p, []batch{{}}) {
		c.proposals.Done()
	}
}

// hear takes the time from an entry that is the newest of the leader that this
// manager follows. What a manager catches up with tells times that are over.
func (c *Consensus) hear(entry *raft.Log, at time.Time) {
	r := c.gate.raft.Load()
	if r != nil && r.State() == raft.Follower && entry.Term == r.CurrentTerm() && entry.Index == r.CommitIndex() {
		c.clock.follow(at)
	}
}
