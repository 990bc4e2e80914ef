package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// What viewers may have a manager hold in memory. A tree to plan is as large as a
// message may be, and is held until its plan is made.
const (
	viewersPlans = 4 // of all viewers at a time
	viewerPlans  = 2 // of one of them, so that he leaves room for others
	// viewerWaiting is how many plans more of a viewer wait for their turn. HTTP/2
	// holds a MiB of each already.
	viewerWaiting = 16
	// turnPatience is how long they wait.
	turnPatience = 30 * time.Second
	// treePatience is how long a viewer may take to send a tree once it is his turn.
	treePatience = 5 * time.Minute
	// viewerMessage is the size in bytes of any other request of a viewer: names.
	viewerMessage = 64 << 10
)

// Turns has next answer, but makes the plans of viewers wait for their turn before
// anything of their trees is read: all of them share a few, which nobody else
// needs. Who has waited too long, or asks for too much at once, is refused in
// words. The leader counts the requests that are passed on to it with its own.
func Turns(next http.Handler) http.Handler {
	turns := turns{plans: make(map[string]int), waiting: make(map[string]int)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch ctx := r.Context(); {
		case !AskerViews(ctx):
		case r.URL.Path != string(Plan) && r.ContentLength > viewerMessage:
			wire.Refuse(w, r, wire.Errorf(wire.Exhausted, "a viewer's request is no plan and has %d bytes: give at most %d", r.ContentLength, viewerMessage))
			return
		case r.URL.Path != string(Plan):
			r.Body = http.MaxBytesReader(w, r.Body, viewerMessage)
		default:
			who := Asker(ctx)
			if err := turns.await(ctx, who); err != nil {
				wire.Refuse(w, r, err)
				return
			}
			defer turns.end(who)
			// An error says that the connection has gone, or cannot be slow.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(treePatience))
		}
		next.ServeHTTP(w, r)
	})
}

// turns are whose turn it is, and who waits for one.
type turns struct {
	over bell.Bell // one is

	mu      sync.Mutex
	all     int
	plans   map[string]int // under way, by who asks
	waiting map[string]int
}

// await returns once it is this viewer's turn, which lasts until end.
func (t *turns) await(ctx context.Context, who string) error {
	if t.begin(who) {
		return nil
	}
	if !t.queue(who) {
		return wire.Errorf(wire.Exhausted, "plan: %d plans of the %s are made and %d wait already, which is the most: ask again when they are answered", viewerPlans, who, viewerWaiting)
	}
	defer t.leave(who)
	patience, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	for {
		over := t.over.Next()
		if t.begin(who) {
			return nil
		}
		select {
		case <-over:
		case <-patience.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return wire.Errorf(wire.Exhausted, "plan: viewers' tokens have other plans made, %d at a time, %d of one token, and it was not this one's turn for %s: ask again in a moment",
				viewersPlans, viewerPlans, turnPatience)
		}
	}
}

func (t *turns) begin(who string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == viewersPlans || t.plans[who] == viewerPlans {
		return false
	}
	t.all++
	t.plans[who]++
	return true
}

func (t *turns) end(who string) {
	t.mu.Lock()
	t.all--
	less(t.plans, who)
	t.mu.Unlock()
	t.over.Ring()
}

func (t *turns) queue(who string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting[who] == viewerWaiting {
		return false
	}
	t.waiting[who]++
	return true
}

func (t *turns) leave(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	less(t.waiting, who)
}

// less counts one down, and forgets who has none.
func less(counts map[string]int, who string) {
	if counts[who]--; counts[who] == 0 {
		delete(counts, who)
	}
}
