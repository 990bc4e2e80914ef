package reconciler

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// passLifetime is how long a token lasts that a credential helper fetched: the
// time of one push or fetch, with room for a slow one to begin.
const passLifetime = 10 * time.Minute

// tokens are the short-lived credentials that this daemon gave out. Lasting
// ones are in the store, hashed.
type tokens struct {
	lasting bell.Bell // the lasting ones may have changed

	mu    sync.Mutex
	until map[specs.Hash]time.Time
}

func newTokens() *tokens { return &tokens{until: make(map[specs.Hash]time.Time)} }

// mint makes a token that is good until then, and forgets those that are not
// any more.
func (t *tokens) mint(now time.Time) string {
	token := "swarmgit-" + rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	for hash, until := range t.until {
		if now.After(until) {
			delete(t.until, hash)
		}
	}
	t.until[specs.HashAccess(token)] = now.Add(passLifetime)
	return token
}

func (t *tokens) knows(hash specs.Hash, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.until[hash]
	return ok && now.Before(until)
}

// passName is what a pass is called. No lasting token can have that name.
const passName = "(git-url)"

// TokenOf is what is known of a token for the port that people use; one that is
// good for nothing has no role. Every manager knows it from its own copy of the
// store.
func (m *Manager) TokenOf(token string) specs.AccessToken {
	if token == "" {
		return specs.AccessToken{}
	}
	hash, now := specs.HashAccess(token), m.raft.Now()
	if m.tokens.knows(hash, now) {
		return specs.AccessToken{Name: passName, Role: specs.Admin}
	}
	for _, lasting := range m.store.Snapshot().Cluster().Spec.Tokens {
		if lasting.Opens(hash, now) {
			return lasting
		}
	}
	return specs.AccessToken{}
}

// TokenEnds returns once a lasting token is good for nothing any more, or ctx ends.
// What a pass began may go on: it is as good as who fetched it.
func (m *Manager) TokenEnds(ctx context.Context, token string) {
	for {
		changed := m.tokens.lasting.Next()
		known := m.TokenOf(token)
		if known.Role == "" {
			return
		}
		if known.Name == passName {
			changed = nil
		}
		expired, stop := m.expiry(known)
		select {
		case <-changed:
		case <-expired:
		case <-ctx.Done():
		}
		stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// expiry fires when the token expires, if it ever does.
func (m *Manager) expiry(token specs.AccessToken) (fires <-chan time.Time, stop func() bool) {
	if token.Expires.IsZero() {
		return nil, func() bool { return false }
	}
	timer := time.NewTimer(token.Expires.Sub(m.raft.Now()))
	return timer.C, timer.Stop
}

// keepTokens tells those who wait for the end of a token when there may be one.
func (m *Manager) keepTokens(ctx context.Context) error {
	var seen uint64
	for {
		snap, changed := m.store.Watch()
		if version := snap.Cluster().Version; version != seen {
			seen = version
			m.tokens.lasting.Ring()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// GitURL is the address of the cluster's remote, and a short-lived token for it.
func (m *Manager) GitURL(context.Context) (api.GitURLReply, error) {
	return api.GitURLReply{URL: "http://" + m.cfg.HTTP + git.Path, Token: m.tokens.mint(m.raft.Now())}, nil
}
