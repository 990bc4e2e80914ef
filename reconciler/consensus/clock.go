package consensus

import (
	"sync"
	"time"
)

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
	c.begun, c.base = time.Now(), wall.Round(0).UTC()
	if last.After(c.base) {
		c.base = last.UTC()
	}
}

// AppliedAt is the latest time that an applied entry carries.
func (c *Consensus) AppliedAt() time.Time { return c.machine.last() }

// Now is the time by which the cluster's rules decide. It never goes back
// within a term, nor behind the time of an entry that was applied before it.
func (c *Consensus) Now() time.Time {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return c.clock.base.Add(time.Since(c.clock.begun))
}
