package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// known are tokens that last.
type known func(token string) specs.AccessToken

func (k known) TokenOf(token string) specs.AccessToken { return k(token) }

func (k known) TokenEnds(ctx context.Context, _ string) { <-ctx.Done() }

func TestGuard(t *testing.T) {
	const secret, looking = "swarmgit-secret", "swarmgit-looking"
	through := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "through") })
	guarded := Guard(through, []string{"127.0.0.1", "localhost", "::1"}, known(func(token string) specs.AccessToken {
		return map[string]specs.AccessToken{secret: {Name: "ci", Role: specs.Admin}, looking: {Role: specs.Viewer}}[token]
	}))
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	for _, c := range []struct {
		name string
		host string
		path string
		with []func(*http.Request)
		want int
	}{
		{"no token", "127.0.0.1:2378", "/git/main.git/info/refs", nil, 401},
		{"bearer", "127.0.0.1:2378", "/", []func(*http.Request){bearer(secret)}, 200},
		{"bearer in another case", "127.0.0.1", "/", []func(*http.Request){header("Authorization", "bearer "+secret)}, 200},
		{"wrong bearer", "127.0.0.1", "/", []func(*http.Request){bearer("swarmgit-guess")}, 401},
		{"empty bearer", "127.0.0.1", "/", []func(*http.Request){header("Authorization", "Bearer")}, 401},
		{"basic, as Git sends it", "localhost:2378", "/", []func(*http.Request){basic("swarmgit", secret)}, 200},
		{"basic, any user", "localhost:2378", "/", []func(*http.Request){basic("", secret)}, 200},
		{"the token as the user", "localhost:2378", "/", []func(*http.Request){basic(secret, "")}, 401},
		{"another scheme", "localhost", "/", []func(*http.Request){header("Authorization", "Digest "+secret)}, 401},
		{"a token in the query", "localhost", "/?token=" + secret, nil, 401},
		{"IPv6", "[::1]:2378", "/", []func(*http.Request){bearer(secret)}, 200},
		{"IPv6 without port", "[::1]", "/", []func(*http.Request){bearer(secret)}, 200},
		{"host in another case", "LocalHost:2378", "/", []func(*http.Request){bearer(secret)}, 200},
		{"a rebound name", "evil.example:2378", "/", []func(*http.Request){bearer(secret)}, 421},
		{"a name that begins well", "localhost.evil.example", "/", []func(*http.Request){bearer(secret)}, 421},
		{"no host", "", "/", []func(*http.Request){bearer(secret)}, 421},
		{"a foreign origin", "127.0.0.1:2378", "/", []func(*http.Request){bearer(secret), header("Origin", "http://evil.example")}, 403},
		{"an origin of another port", "127.0.0.1:2378", "/", []func(*http.Request){bearer(secret), header("Origin", "http://127.0.0.1:8080")}, 403},
		{"an opaque origin", "127.0.0.1:2378", "/", []func(*http.Request){bearer(secret), header("Origin", "null")}, 403},
		{"its own origin", "127.0.0.1:2378", "/", []func(*http.Request){bearer(secret), header("Origin", "http://127.0.0.1:2378")}, 200},
		{"its own origin without token", "127.0.0.1:2378", "/", []func(*http.Request){header("Origin", "http://127.0.0.1:2378")}, 401},
		{"a join token", "127.0.0.1:2378", string(GetJoinToken), []func(*http.Request){bearer(secret)}, 403},
		{"a join token by another path", "127.0.0.1:2378", "/.//swarmgit.api/x/../RotateCA", []func(*http.Request){bearer(secret)}, 403},
		{"a viewer looks", "127.0.0.1:2378", string(GetStatus), []func(*http.Request){bearer(looking)}, 200},
		{"a viewer plans", "127.0.0.1:2378", string(Plan), []func(*http.Request){bearer(looking)}, 200},
		{"a viewer changes a node", "127.0.0.1:2378", string(UpdateNode), []func(*http.Request){bearer(looking)}, 403},
		{"a viewer reads logs", "127.0.0.1:2378", string(Logs), []func(*http.Request){bearer(looking)}, 403},
		{"a viewer makes a token", "127.0.0.1:2378", string(CreateToken), []func(*http.Request){bearer(looking)}, 403},
		{"an admin makes a token", "127.0.0.1:2378", string(CreateToken), []func(*http.Request){bearer(secret)}, 403},
		{"a viewer fetches", "127.0.0.1:2378", "/git/main.git/git-upload-pack", []func(*http.Request){basic("", looking)}, 403},
		{"a viewer pushes", "127.0.0.1:2378", "/git/main.git/git-receive-pack", []func(*http.Request){basic("", looking)}, 403},
		{"a viewer asks for what is not known", "127.0.0.1:2378", "/swarmgit.api/Exec", []func(*http.Request){bearer(looking)}, 403},
		{"a viewer by another path", "127.0.0.1:2378", "/swarmgit.api/Plan/../UpdateNode", []func(*http.Request){bearer(looking)}, 403},
		{"an admin pushes", "127.0.0.1:2378", "/git/main.git/git-receive-pack", []func(*http.Request){basic("", secret)}, 200},
		{"health", "127.0.0.1:2378", "/healthz", nil, 200},
		{"health of a rebound name", "evil.example", "/healthz", nil, 421},
		{"health for a foreign page", "127.0.0.1:2378", "/healthz", []func(*http.Request){header("Origin", "http://evil.example")}, 403},
		{"below health", "127.0.0.1:2378", "/healthz/../swarmgit.api/GetStatus", nil, 401},
		{"a webhook", "127.0.0.1:2378", "/hooks/infra", nil, 200},
		{"below the webhooks", "127.0.0.1:2378", "/hooks/../swarmgit.api/GetStatus", nil, 401},
		{"below a webhook", "127.0.0.1:2378", "/hooks/infra/../../git/main.git/info/refs", nil, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, c.path, nil)
			r.Host = c.host
			for _, with := range c.with {
				with(r)
			}
			w := httptest.NewRecorder()
			guarded.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Fatalf("status %d, want %d: %s", w.Code, c.want, w.Body)
			}
			if let := w.Body.String() == "through"; let != (c.want == 200) {
				t.Errorf("let through: %v", let)
			}
			// Git asks its credential helpers only when it is challenged so.
			if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (c.want == 401) {
				t.Errorf("challenge %q with status %d", challenge, w.Code)
			}
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("the answer tells the token: %s", w.Body)
			}
		})
	}
}

// What a person with curl sees, over HTTP/1.1 and through the guard.
func TestJSONOverHTTP(t *testing.T) {
	mux := http.NewServeMux()
	prod(t).server().Register(mux)
	people := httptest.NewServer(Guard(mux, []string{"127.0.0.1"}, known(func(token string) specs.AccessToken {
		return map[string]specs.AccessToken{"good": {Role: specs.Admin}, "looking": {Role: specs.Viewer}}[token]
	})))
	defer people.Close()
	post := func(path, token, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, people.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := people.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(bytes.TrimSpace(answer))
	}

	if code, _ := post(string(GetStatus), "", `{}`); code != http.StatusUnauthorized {
		t.Errorf("without a token: status %d", code)
	}
	code, body := post(string(GetStatus), "good", `{}`)
	var status StatusReply
	if err := json.Unmarshal([]byte(body), &status); err != nil || code != http.StatusOK || status.Cluster != "prod" {
		t.Errorf("status %d, %v: %s", code, err, body)
	}
	if code, body := post(string(InspectService), "good", `{"name":"shop/none"}`); code != http.StatusNotFound ||
		body != `{"code":"not_found","message":"no such service: shop/none (see: swarmgit service ls)"}` {
		t.Errorf("status %d: %s", code, body)
	}
	if code, body := post(string(GetStatus), "good", `{`); code != http.StatusBadRequest {
		t.Errorf("half a message: status %d: %s", code, body)
	}
	if code, body := post(string(RemoveNode), "looking", `{}`); code != http.StatusForbidden ||
		body != `{"code":"permission_denied","message":"a token of the role viewer may look and plan, not this: see \"swarmgit token create --role admin\""}` {
		t.Errorf("a viewer removes a node: status %d: %s", code, body)
	}
	// Tokens are minted for the daemon's owner only, whoever else has a token.
	if code, body := post(string(GitURL), "good", `{}`); code != http.StatusForbidden {
		t.Errorf("GitURL over HTTP: status %d: %s", code, body)
	}
}
