package consensus

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
)

const (
	watchPeriod = 250 * time.Millisecond
	// probePeriod is how often a leader tries whether its disk hangs.
	probePeriod = time.Second
	// diskPatience is how long a write may take before a leader gives up its
	// office. Disks of clouds stall for a second now and then.
	diskPatience = 2 * time.Second
	// officePause is how long a manager that gave up its office for its disk does
	// not do so again, lest leadership go round where all disks are bad. One that
	// knows which have room does not wait.
	officePause = time.Minute
)

// watchdog makes a leader that cannot write leave its office. Raft does not: its
// heartbeats go on while its main loop hangs in a write, so that nobody else
// stands for election.
type watchdog struct { // used by watch only
	hung   time.Time      // when it gave up office because its disk hung
	full   time.Time      // when it did because its disk was full
	tried  time.Time      // when it last tried the disk
	silent map[string]int // for how many looks each manager has not answered
}

func (c *Consensus) watch(ctx context.Context) {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.watchOnce(ctx)
		case <-c.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (c *Consensus) watchOnce(ctx context.Context) {
	term := c.latest()
	if c.raft.State() != raft.Leader {
		c.gate.shut.Store(false) // it left its office: followers may speak
		c.silent = nil
		return
	}
	members, err := c.Members()
	if err != nil {
		return
	}
	c.correctAddress(ctx, members)
	c.tellSilent(ctx, members)
	able, err := c.successors()
	if err != nil || len(able) < quorum(voters(members)) {
		return // the others could not elect anybody
	}
	if time.Since(c.tried) >= probePeriod {
		c.tried = time.Now()
		c.probe.try(&c.strokes)
	}
	best := -1
	for _, m := range able {
		best = max(best, c.fitness(m))
	}
	switch d := c.strokes.longest(); {
	case d >= diskPatience && time.Since(c.hung) >= officePause:
		c.leaveHungDisk(ctx, term, d)
	case c.DiskTrouble() != nil && (best > 0 || best == 0 && time.Since(c.full) >= officePause):
		c.leaveFullDisk(ctx)
	}
}

// silentLooks is for how many looks a manager does not answer until that is told.
const silentLooks = 4

// tellSilent tells the operator once who does not answer, and who does again.
func (c *Consensus) tellSilent(ctx context.Context, members []Member) {
	before := c.silent
	c.silent = make(map[string]int)
	for _, m := range members {
		looks := before[m.ID]
		if !c.Reachable(m.ID) {
			c.silent[m.ID] = looks + 1
			if looks+1 == silentLooks {
				c.log.WarnContext(ctx, "manager does not answer", "manager", m.ID, "address", m.Address)
			}
		} else if looks >= silentLooks {
			c.log.InfoContext(ctx, "manager answers again", "manager", m.ID, "address", m.Address)
		}
	}
}

// leaveHungDisk falls silent until raft finds that it has lost its office. Raft
// hangs with the disk, and cannot hand over.
func (c *Consensus) leaveHungDisk(ctx context.Context, term int, since time.Duration) {
	c.hung = time.Now()
	c.log.ErrorContext(ctx, "the disk hangs: this manager gives up leadership", "write", since)
	c.gate.shut.Store(true)
	c.quit(term)
}

func (c *Consensus) leaveFullDisk(ctx context.Context) {
	c.full = time.Now()
	ctx, cancel := context.WithTimeout(ctx, handOverPatience)
	defer cancel()
	if err := c.HandOver(ctx); err != nil {
		c.log.WarnContext(ctx, "leadership stays where the disk is full", "error", err)
	}
}

func voters(members []Member) (n int) {
	for _, m := range members {
		if m.Voter {
			n++
		}
	}
	return n
}

// correctAddress writes down where this manager is, if it came back at another
// address and was elected.
func (c *Consensus) correctAddress(ctx context.Context, members []Member) {
	here := string(c.gate.LocalAddr())
	for _, m := range members {
		if raft.ServerID(m.ID) == c.id && m.Address != here {
			ctx, cancel := context.WithTimeout(ctx, membersPatience)
			defer cancel()
			err := c.take(ctx, step{do: write}, Joining{ID: m.ID, Address: here})
			c.log.InfoContext(ctx, "this manager has another address", "before", m.Address, "now", here, "error", err)
		}
	}
}
