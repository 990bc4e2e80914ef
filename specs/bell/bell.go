// Package bell wakes those who wait for something to change. Unlike a sync.Cond it
// is waited for in a select, together with the end of a context.
package bell

import "sync"

// Bell is rung when something has changed that somebody may wait for. Who waits
// takes Next first and looks at the thing then, or does both under the mutex under
// which it changes and the bell is rung: then no change is missed. The zero Bell is
// ready, and costs nothing while nobody waits.
type Bell struct {
	mu   sync.Mutex
	next chan struct{} // nil while nobody waits
}

// Next returns a channel that is closed when the bell is rung next.
func (b *Bell) Next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

// Ring wakes all who wait.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}
