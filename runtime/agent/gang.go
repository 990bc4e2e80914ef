package agent

import "sync"

// gang does at most so many things at a time, and lets the others wait for their
// turn. Its goroutines go from one thing to the next: each of their own would grow
// its stack anew, which costs more than most things.
type gang struct {
	max   int
	begin func(func()) // has a goroutine do something

	mu      sync.Mutex
	waiting []func()
	members int
	coming  bool // a member has begun and has not asked for work yet
}

func newGang(most int, begin func(func())) *gang { return &gang{max: most, begin: begin} }

// do has f done once its turn has come.
func (g *gang) do(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, f)
	g.grow()
}

// grow begins another member if there is work for it. One at a time: those that
// are there may be done with all of it before. The caller holds the mutex.
func (g *gang) grow() {
	if len(g.waiting) > 0 && !g.coming && g.members < g.max {
		g.members, g.coming = g.members+1, true
		g.begin(g.work)
	}
}

func (g *gang) work() {
	for f := g.next(true); f != nil; f = g.next(false) {
		f()
	}
}

// next is what a member does next; without work it goes.
func (g *gang) next(came bool) (f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if came {
		g.coming = false
	}
	if len(g.waiting) == 0 {
		g.members--
		return nil
	}
	f, g.waiting = g.waiting[0], g.waiting[1:]
	g.grow()
	return f
}
