package agent

import (
	"context"
	"math/rand/v2"
	"time"
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
	return sleep(ctx, rand.N(b.bound))
}

func (b *backoff) reset() { b.bound = 0 }

// sleep pauses and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
