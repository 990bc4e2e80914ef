package containerd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// ana is who may read the registries of these tests.
var ana = specs.Login{User: "ana", Password: "canary-of-the-registry"}

// lockedRegistry is a registry that wants to know who asks: by basic
// authentication, or by a token that it gives out for that.
type lockedRegistry struct {
	registry http.Handler
	tokens   bool
	host     string
}

const goodToken = "a-token-for-ana"

func (l *lockedRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	known := user == ana.User && password == string(ana.Password)
	switch {
	case l.tokens && r.URL.Path == "/token" && (known || r.PostFormValue("username") == ana.User && r.PostFormValue("password") == string(ana.Password)):
		fmt.Fprintf(w, `{"token":%[1]q,"access_token":%[1]q}`, goodToken)
	case l.tokens && r.URL.Path != "/token" && r.Header.Get("Authorization") == "Bearer "+goodToken, !l.tokens && known:
		l.registry.ServeHTTP(w, r)
	case l.tokens && r.URL.Path != "/token":
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, l.host))
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// startLocked serves an image as HOST/shop/web:1 to ana alone, and returns the host.
func startLocked(t *testing.T, img v1.Image, tokens bool) string {
	t.Helper()
	l := &lockedRegistry{registry: registry.New(registry.Logger(log.New(io.Discard, "", 0))), tokens: tokens}
	open := httptest.NewServer(l.registry)
	defer open.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(open.URL, "http://") + "/shop/web:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	locked := httptest.NewServer(l)
	t.Cleanup(locked.Close)
	l.host = strings.TrimPrefix(locked.URL, "http://")
	return l.host
}

// writeDockerConfig is what "docker login" leaves on this machine.
func writeDockerConfig(t *testing.T, host, userAndPassword string) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(userAndPassword)))
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTryLogin(t *testing.T) {
	img := freshImage(t)
	nothing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(nothing.Close)
	none := strings.TrimPrefix(nothing.URL, "http://")
	basic, tokens := startLocked(t, img, false), startLocked(t, img, true)
	testMirror(t, "mirrored.invalid", basic)
	wrong := specs.Login{User: "ana", Password: "wrong"}
	for _, c := range []struct {
		host  string
		login specs.Login
		want  string
	}{
		{basic, ana, ""},
		{tokens, ana, ""},
		{basic, wrong, "the registry " + basic + " does not know the user ana with this password"},
		{tokens, wrong, "the registry " + tokens + " does not know the user ana with this password"},
		{none, ana, "the registry " + none + " is none: it answers with status 404"},
		{"127.0.0.1:1", ana, "the registry 127.0.0.1:1 cannot be reached: check its name, and what the managers' /etc/containerd/certs.d says of it"},
		{"mirrored.invalid", ana, "the registry mirrored.invalid cannot be reached: check its name, and what the managers' /etc/containerd/certs.d says of it"},
	} {
		got := ""
		if err := TryLogin(t.Context(), c.host, c.login); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s as %s:\ngot  %s\nwant %s", c.host, c.login.User, got, c.want)
		}
	}
}

// The cluster's login goes before what this machine has, and to the registry of the
// image alone.
func TestDigestWithALogin(t *testing.T) {
	img := freshImage(t)
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, tokens := range []bool{false, true} {
		host := startLocked(t, img, tokens)
		testMirror(t, "mirrored.invalid", host)
		writeDockerConfig(t, host, "ana:old")
		if got, err := Digest(t.Context(), host+"/shop/web:1", ana); err != nil || got != want.String() {
			t.Errorf("tokens %t: %s, %v", tokens, got, err)
		}
		if _, err := Digest(t.Context(), host+"/shop/web:1", specs.Login{}); err == nil || !strings.Contains(err.Error(), "wants another login") {
			t.Errorf("tokens %t: with what this machine has: %v", tokens, err)
		}
		if _, err := Digest(t.Context(), "mirrored.invalid/shop/web:1", ana); err == nil {
			t.Errorf("tokens %t: a mirror was given the login of what it mirrors", tokens)
		}
	}
}

func TestPullWithALogin(t *testing.T) {
	b := newBench(t)
	host := startLocked(t, freshImage(t), true)
	ref := host + "/shop/web:1"
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	b.removeLater(t, ref)
	task := b.task(t, specs.TaskSpec{Image: ref, Command: []string{"print=pulled"}})
	asked := 0
	prepare := func(login specs.Login, err error) error {
		task.Login = func(context.Context) (specs.Login, error) {
			asked++
			return login, err
		}
		return b.Prepare(t.Context(), task, nil)
	}
	if err := prepare(specs.Login{}, nil); err == nil || !strings.Contains(err.Error(), `wants another login, or has no such image: see "swarmgit registry login"`) {
		t.Errorf("without a login: %v", err)
	}
	if err := prepare(specs.Login{}, fmt.Errorf("%w: no manager", executor.ErrTemporary)); !errors.Is(err, executor.ErrTemporary) {
		t.Errorf("while no manager can be asked: %v", err)
	}
	if err := prepare(ana, nil); err != nil {
		t.Fatal(err)
	}
	was := asked
	if err := prepare(specs.Login{}, errors.New("asked again")); err != nil || asked != was || was == 0 {
		t.Errorf("an image that is here: asked %d times more, %v", asked-was, err)
	}
}
