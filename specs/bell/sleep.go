package bell

import (
	"context"
	"time"
)

// Sleep waits as long as d. It returns at once when ctx ends, with ctx's error.
func Sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
