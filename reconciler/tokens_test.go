package reconciler

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

func TestAPassIsGoodForItsTime(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		reply, err := m.GitURL(t.Context())
		if err != nil || reply.URL != "http://127.0.0.1:2378/git/main.git" {
			t.Fatalf("%+v, %v", reply, err)
		}
		other, err := m.GitURL(t.Context())
		if err != nil || other.Token == reply.Token {
			t.Fatalf("two tokens %q and %q, %v", reply.Token, other.Token, err)
		}
		for _, token := range []string{reply.Token, other.Token} {
			if m.TokenOf(token).Role != specs.Admin {
				t.Errorf("%s does not open", token)
			}
		}
		for _, token := range []string{"", "swarmgit-", reply.Token + "x", strings.ToLower(reply.Token), string(specs.HashAccess(reply.Token))} {
			if m.TokenOf(token).Role != "" {
				t.Errorf("%q opens", token)
			}
		}
		later(passLifetime - time.Second)
		if m.TokenOf(reply.Token).Role != specs.Admin {
			t.Error("it ended early")
		}
		later(time.Second)
		if m.TokenOf(reply.Token).Role != "" {
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

// A lasting token is good for its role, as long as it is there and has not
// expired.
func TestALastingToken(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		cluster := m.store.Snapshot().Cluster()
		cluster.Spec.Tokens = []specs.AccessToken{
			{Name: "looks", Role: specs.Viewer, Hash: specs.HashAccess("look")},
			{Name: "pushes", Role: specs.Admin, Hash: specs.HashAccess("push"), Expires: m.raft.Now().Add(time.Hour)},
			{Name: "broken"},
		}
		m.write(t, specs.Change{Cluster: &cluster})
		want := func(roles map[string]specs.AccessRole) {
			t.Helper()
			for token, role := range roles {
				if got := m.TokenOf(token).Role; got != role {
					t.Errorf("%q is good for %q, want %q", token, got, role)
				}
			}
		}
		want(map[string]specs.AccessRole{"look": specs.Viewer, "push": specs.Admin, "": "", "x": "", string(specs.HashAccess("look")): ""})
		later(time.Hour)
		want(map[string]specs.AccessRole{"look": specs.Viewer, "push": ""})
		cluster = m.store.Snapshot().Cluster()
		cluster.Spec.Tokens = cluster.Spec.Tokens[1:]
		m.write(t, specs.Change{Cluster: &cluster})
		want(map[string]specs.AccessRole{"look": ""})
	})
}

// What a token began ends with it, and with no other one; what a pass began may last
// longer than it does.
func TestATokenEnds(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		pass, err := m.GitURL(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		cluster := m.store.Snapshot().Cluster()
		cluster.Spec.Tokens = []specs.AccessToken{
			{Name: "other", Role: specs.Viewer, Hash: specs.HashAccess("other")},
			{Name: "removed", Role: specs.Viewer, Hash: specs.HashAccess("removed")},
			{Name: "expires", Role: specs.Admin, Hash: specs.HashAccess("expires"), Expires: m.raft.Now().Add(time.Hour)},
			{Name: "stays", Role: specs.Admin, Hash: specs.HashAccess("stays")},
		}
		m.write(t, specs.Change{Cluster: &cluster})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan string, 4)
		var watching sync.WaitGroup
		for _, token := range []string{"removed", "expires", "stays", pass.Token} {
			watching.Go(func() {
				m.TokenEnds(ctx, token)
				ended <- token
			})
		}
		want := func(tokens ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			for len(ended) > 0 {
				got = append(got, <-ended)
			}
			if !slices.Equal(got, tokens) {
				t.Errorf("%q ended, want %q", got, tokens)
			}
		}
		remove := func() {
			cluster := m.store.Snapshot().Cluster()
			cluster.Spec.Tokens = slices.Clone(cluster.Spec.Tokens)[1:]
			m.write(t, specs.Change{Cluster: &cluster})
		}
		remove()
		want()
		remove()
		want("removed")
		later(time.Hour - time.Second)
		want()
		later(time.Second)
		want("expires")
		remove()
		want()
		cancel()
		watching.Wait()
	})
}
