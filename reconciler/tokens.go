package reconciler

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/specs"
)

// passLifetime is how long a token lasts that a credential helper fetched: the
// time of one push or fetch, with room for a slow one to begin.
const passLifetime = 10 * time.Minute

// tokens are the short-lived credentials that this daemon gave out. Lasting
// ones are in the store, hashed.
type tokens struct {
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

// GitURL is the address of the cluster's remote, and a short-lived token for it.
func (m *Manager) GitURL(context.Context) (api.GitURLReply, error) {
	return api.GitURLReply{URL: "http://" + m.cfg.HTTP + git.Path, Token: m.tokens.mint(m.raft.Now())}, nil
}
