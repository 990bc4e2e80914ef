package reconciler

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/store"
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
	t.until[hashToken(token)] = now.Add(passLifetime)
	return token
}

func (t *tokens) knows(hash specs.Hash, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.until[hash]
	return ok && now.Before(until)
}

func hashToken(token string) specs.Hash {
	sum := sha256.Sum256([]byte(token))
	return specs.Hash(hex.EncodeToString(sum[:]))
}

// Authorized reports whether the token opens the port that people use. It
// compares hashes, so that its time tells nothing of the token.
func (m *Manager) Authorized(token string) bool {
	if token == "" {
		return false
	}
	hash := hashToken(token)
	if m.tokens.knows(hash, m.raft.Now()) {
		return true
	}
	for _, lasting := range m.store.Snapshot().Cluster().Spec.Tokens {
		if subtle.ConstantTimeCompare([]byte(lasting), []byte(hash)) == 1 {
			return true
		}
	}
	return false
}

// GitURL is the address of the cluster's remote, with a new lasting token in it
// if one is wanted, else with a short-lived one beside it.
func (m *Manager) GitURL(ctx context.Context, withToken bool) (api.GitURLReply, error) {
	if !withToken {
		return api.GitURLReply{URL: "http://" + m.cfg.HTTP + git.Path, Token: m.tokens.mint(m.raft.Now())}, nil
	}
	token := "swarmgit-" + strings.ToLower(rand.Text())
	if err := m.keepToken(ctx, hashToken(token)); err != nil {
		return api.GitURLReply{}, fmt.Errorf("make a token: %w", err)
	}
	return api.GitURLReply{URL: "http://swarmgit:" + token + "@" + m.cfg.HTTP + git.Path, Token: token}, nil
}

// keepToken writes a lasting token down. It looks again when somebody else
// changed the cluster's row at the same time.
func (m *Manager) keepToken(ctx context.Context, hash specs.Hash) error {
	for {
		cluster := m.store.Snapshot().Cluster()
		cluster.Spec.Tokens = append(slices.Clone(cluster.Spec.Tokens), hash)
		errs, err := m.raft.Propose(ctx, []specs.Transaction{{{Cluster: &cluster}}})
		if err == nil {
			err = errs[0]
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
