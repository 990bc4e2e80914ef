package containerd

import (
	"context"
	"sync"
)

// turns lets callers with one key go one after the other. Unlike a mutex, a
// turn may be held across a pull and is given up when the context ends.
type turns struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when the turn is over
}

// take waits for the turn and returns what ends it.
func (t *turns) take(ctx context.Context, key string) (release func(), err error) {
	for {
		other := t.try(key)
		if other == nil {
			return func() { t.release(key) }, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try takes the turn, or returns what to wait for.
func (t *turns) try(key string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other, ok := t.held[key]; ok {
		return other
	}
	if t.held == nil {
		t.held = map[string]chan struct{}{}
	}
	t.held[key] = make(chan struct{})
	return nil
}

func (t *turns) release(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.held[key])
	delete(t.held, key)
}
