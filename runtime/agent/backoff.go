package agent

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/swarmgit/swarmgit/specs/bell"
)

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 8 * time.Second
)

// backoff is the pause before the next try: at random up to a bound that
// doubles, so that the nodes that a manager lost do not come back all at once.
type backoff struct{ bound time.Duration }

// wait pauses and reports whether ctx still lives.
func (b *backoff) wait(ctx context.Context) bool {
	b.bound = min(max(2*b.bound, firstPause), lastPause)
	return bell.Sleep(ctx, rand.N(b.bound)) == nil
}

func (b *backoff) reset() { b.bound = 0 }
