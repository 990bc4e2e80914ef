package ca

import (
	"context"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// refusalPause is how often refused tokens are logged: somebody who guesses must
// be noticed, and must not fill the log.
const refusalPause = 10 * time.Second

// refusals counts the tokens that were refused since it was last logged.
type refusals struct {
	mu     sync.Mutex
	count  int
	logged time.Time
}

// add counts one more. It returns how many there are to be logged now, 0 if it
// is too early.
func (r *refusals) add(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if now.Sub(r.logged) < refusalPause {
		return 0
	}
	count := r.count
	r.count, r.logged = 0, now
	return count
}

// refuse notes that somebody came with a wrong token.
func (s *Server) refuse(ctx context.Context, what string) {
	if count := s.refusals.add(s.Now()); count > 0 {
		s.Log.WarnContext(ctx, "a caller was refused", "why", what, "from", wire.CallerAddr(ctx), "refused_since_last_told", count)
	}
}
