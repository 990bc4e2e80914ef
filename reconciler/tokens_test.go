package reconciler

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

func TestAPassIsGoodForItsTime(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		reply, err := m.GitURL(t.Context(), false)
		if err != nil || reply.URL != "http://127.0.0.1:2378/git/main.git" {
			t.Fatalf("%+v, %v", reply, err)
		}
		other, err := m.GitURL(t.Context(), false)
		if err != nil || other.Token == reply.Token {
			t.Fatalf("two tokens %q and %q, %v", reply.Token, other.Token, err)
		}
		for _, token := range []string{reply.Token, other.Token} {
			if !m.Authorized(token) {
				t.Errorf("%s does not open", token)
			}
		}
		for _, token := range []string{"", "swarmgit-", reply.Token + "x", strings.ToLower(reply.Token), string(hashToken(reply.Token))} {
			if m.Authorized(token) {
				t.Errorf("%q opens", token)
			}
		}
		later(passLifetime - time.Second)
		if !m.Authorized(reply.Token) {
			t.Error("it ended early")
		}
		later(time.Second)
		if m.Authorized(reply.Token) {
			t.Error("it lives on")
		}
		if len(m.store.Snapshot().Cluster().Spec.Tokens) > 0 {
			t.Error("a pass was written down")
		}
		later(time.Second)
		m.tokens.mint(m.raft.Now())
		if kept := len(m.tokens.until); kept != 1 {
			t.Errorf("%d passes are kept, of which one is good", kept)
		}
	})
}

func TestALastingTokenIsStoredHashed(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		reply, err := m.GitURL(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		remote, err := url.Parse(reply.URL)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := remote.User.Password()
		if password != reply.Token || remote.Host != "127.0.0.1:2378" {
			t.Errorf("the URL is %s", reply.URL)
		}
		later(2 * passLifetime)
		if !m.Authorized(reply.Token) {
			t.Error("it does not last")
		}
		kept := m.store.Snapshot().Cluster().Spec.Tokens
		if len(kept) != 1 || kept[0] != hashToken(reply.Token) || strings.Contains(string(kept[0]), password) {
			t.Errorf("stored as %v", kept)
		}
	})
}

// Whatever else of the cluster changes meanwhile, a token that was handed out
// opens, and one that could not be written is no token.
func TestLastingTokensMadeAtOnce(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		var all sync.WaitGroup
		var mu sync.Mutex
		var made []string
		for range 5 {
			all.Go(func() {
				reply, err := m.GitURL(t.Context(), true)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made = append(made, reply.Token)
				} else if reply.Token != "" {
					t.Errorf("%v, and yet a token", err)
				}
			})
		}
		all.Wait()
		for _, token := range made {
			if !m.Authorized(token) {
				t.Error("a token that was handed out does not open")
			}
		}
		if kept := m.store.Snapshot().Cluster().Spec.Tokens; len(kept) != len(made) || len(made) == 0 {
			t.Errorf("%d stored, %d made", len(kept), len(made))
		}
	})
}

func TestAnEmptyHashOpensNothing(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		cluster := m.store.Snapshot().Cluster()
		cluster.Spec.Tokens = []specs.Hash{""}
		m.write(t, specs.Change{Cluster: &cluster})
		if m.Authorized("") || m.Authorized("x") {
			t.Error("it opens")
		}
	})
}
