package consensus

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	pulsePeriod = 200 * time.Millisecond
	// A leader may stand still for as long as leastStillness, which a busy machine
	// takes, and never for longer than mostStillness.
	leastStillness = time.Second
	mostStillness  = 5 * time.Second
)

// pulse tells whether this process has stood still: because it was stopped, its
// virtual machine was frozen, or the machine had no time for it. To a leader that
// wakes up everybody seems to have been silent. One of several has lost its office by
// then. One that is alone begins another term, as after a restart, and everybody gets
// the time of a new term; until then nothing is written.
type pulse struct {
	last  atomic.Int64  // when it was felt last, in nanoseconds since opened
	awake chan struct{} // holds one when a term is to begin anew
}

// keepPulse feels the pulse until ctx ends.
func (c *Consensus) keepPulse(ctx context.Context) {
	tick := time.NewTicker(pulsePeriod)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.feelPulse(ctx)
		case <-c.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// feelPulse ends the term of a leader that has stood still, before it counts as awake
// again.
func (c *Consensus) feelPulse(ctx context.Context) {
	if still := c.still(); still >= c.stillness() {
		c.log.WarnContext(ctx, "this manager has stood still", "for", still)
		c.leadership.end()
		select {
		case c.pulse.awake <- struct{}{}:
		default:
		}
	}
	c.pulse.last.Store(int64(time.Since(c.opened)))
}

// stillness is how long a leader may stand still without any effect: as long as one
// heartbeat of a node. Nodes are given up after three, and the last may have come one
// period before.
func (c *Consensus) stillness() time.Duration {
	return min(max(c.machine.store.Snapshot().Cluster().Spec.Heartbeat(), leastStillness), mostStillness)
}

// still is how long ago the pulse was felt.
func (c *Consensus) still() time.Duration {
	return time.Since(c.opened) - time.Duration(c.pulse.last.Load())
}
