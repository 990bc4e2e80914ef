package api

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// What plans may have a manager hold in memory. A tree to plan is as large as a
// message may be, and is held until its plan is made. These hold for viewers, and
// again for all others: nobody else waits for a viewer. Pushes have slots of their own
// (reconciler/git).
const (
	plansAtOnce = 4
	plansOfOne  = 2 // of one asker, so that he leaves room for others
	// viewerWaiting and adminWaiting are how many plans more of one asker wait for
	// their turn. HTTP/2 holds a MiB of each already.
	viewerWaiting = 16
	adminWaiting  = 64
	// turnPatience is how long they wait.
	turnPatience = 30 * time.Second
	// treePatience is how long it may take to send a tree once it is its turn.
	treePatience = 5 * time.Minute
	// viewerMessage is the size in bytes of any other request of a viewer: names.
	viewerMessage = 64 << 10
)

// Turns has next answer, but makes plans wait for their turn before anything of their
// trees is read. Who has waited too long, or asks for too much at once, is refused in
// words. The leader counts the requests that are passed on to it with its own.
func Turns(next http.Handler) http.Handler {
	viewers, others := newTurns(viewerWaiting), newTurns(adminWaiting)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		views := AskerViews(ctx)
		switch {
		case r.URL.Path == string(Plan):
			turns, who := others, cmp.Or(Asker(ctx), "daemon's own socket")
			if views {
				turns = viewers
			}
			if err := turns.await(ctx, who); err != nil {
				wire.Refuse(w, r, err)
				return
			}
			defer turns.end(who)
			// An error says that the connection has gone, or cannot be slow.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(treePatience))
		case views && r.ContentLength > viewerMessage:
			wire.Refuse(w, r, wire.Errorf(wire.Exhausted, "a viewer's request is no plan and has %d bytes: give at most %d", r.ContentLength, viewerMessage))
			return
		case views:
			r.Body = http.MaxBytesReader(w, r.Body, viewerMessage)
		}
		next.ServeHTTP(w, r)
	})
}

// turns are whose turn it is, and who waits for one.
type turns struct {
	most int       // how many of one asker wait
	over bell.Bell // one is

	mu      sync.Mutex
	all     int
	plans   map[string]int // under way, by who asks
	waiting map[string]int
}

func newTurns(most int) *turns {
	return &turns{most: most, plans: make(map[string]int), waiting: make(map[string]int)}
}

// await returns once it is this asker's turn, which lasts until end.
func (t *turns) await(ctx context.Context, who string) error {
	if t.begin(who) {
		return nil
	}
	if !t.queue(who) {
		return wire.Errorf(wire.Exhausted, "plan: %d plans of the %s are made and %d wait already, which is the most: ask again when they are answered", plansOfOne, who, t.most)
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
			return wire.Errorf(wire.Exhausted, "plan: other plans are made, %d at a time, %d of one token, and it was not this one's turn for %s: ask again in a moment",
				plansAtOnce, plansOfOne, turnPatience)
		}
	}
}

func (t *turns) begin(who string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == plansAtOnce || t.plans[who] == plansOfOne {
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
	if t.waiting[who] == t.most {
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
