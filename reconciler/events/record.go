package events

import (
	"slices"
	"sync"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// Kept is how many events a record holds: a few megabytes.
const Kept = 10_000

// batch is how many events a reader gets at a time.
const batch = 256

// Record holds the last events, for any number of readers. Nothing is kept for one
// of them, so that a slow one costs nothing and misses some. The zero Record is
// ready.
type Record struct {
	mu    sync.Mutex
	kept  []specs.Event // oldest first
	first uint64        // position before kept[0]
	more  bell.Bell     // when there are more
}

// Add appends events.
func (r *Record) Add(events ...specs.Event) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, events...)
	if over := len(r.kept) - Kept; over > 0 {
		clear(r.kept[:over]) // their room goes when append makes a larger one
		r.kept, r.first = r.kept[over:], r.first+uint64(over)
	}
	r.more.Ring()
}

// After returns the oldest events behind a position, as many as one batch holds,
// and the position behind them; 0 is before the first. If there are none, more
// closes once there are. missed counts those that were forgotten meanwhile.
func (r *Record) After(position uint64) (events []specs.Event, next, missed uint64, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if position < r.first {
		missed, position = r.first-position, r.first
	}
	rest := r.kept[position-r.first:]
	events = slices.Clone(rest[:min(len(rest), batch)])
	return events, position + uint64(len(events)), missed, r.more.Next()
}
