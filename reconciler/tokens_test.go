package reconciler

import (
	"strings"
	"testing"
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
