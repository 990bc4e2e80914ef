package outside

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/specs"
)

// run runs git in a folder.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = git.Environment("HOME="+dir, "GIT_AUTHOR_NAME=ana", "GIT_AUTHOR_EMAIL=a@example", "GIT_COMMITTER_NAME=ana", "GIT_COMMITTER_EMAIL=a@example")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// newRepository is a folder with one repository, shop, and its two commits.
func newRepository(t *testing.T) (root, first, second string) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "shop")
	run(t, root, "init", "-q", "-b", "main", dir)
	run(t, dir, "commit", "-q", "--allow-empty", "-m", "one")
	first = run(t, dir, "rev-parse", "HEAD")
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "add", "file")
	run(t, dir, "commit", "-q", "-m", "two")
	return root, first, run(t, dir, "rev-parse", "HEAD")
}

// smart serves the repositories below root as git itself does, to who knows the
// token.
func smart(t *testing.T, root, token string) http.Handler {
	t.Helper()
	backend := &cgi.Handler{
		Path: filepath.Join(run(t, root, "--exec-path"), "git-http-backend"), Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != token {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	})
}

func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// wantCommits asks a remote where it is and takes what is there, all of it and
// beyond what there is already.
func wantCommits(t *testing.T, r Remote, first, second string) {
	t.Helper()
	tip, err := r.Tip(t.Context())
	if err != nil || tip != second {
		t.Fatalf("tip %s, %v, want %s", tip, err, second)
	}
	repo, err := git.Open(t.Context(), filepath.Join(t.TempDir(), "git"))
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	if err := repo.Take(t.Context(), second, "", r, 1<<20); err != nil {
		t.Fatal(err)
	}
	if descends, err := repo.Descends(t.Context(), second, first); !descends || err != nil {
		t.Errorf("descends %v, %v", descends, err)
	}
	size := func(have ...string) int {
		pack, err := r.Fetch(t.Context(), second, have)
		if err != nil {
			t.Fatal(err)
		}
		defer pack.Close()
		data, err := io.ReadAll(pack)
		if err != nil || !bytes.HasPrefix(data, []byte("PACK")) {
			t.Fatalf("%v: %q", err, data)
		}
		return len(data)
	}
	if all, rest := size(), size(first); rest >= all {
		t.Errorf("a pack beyond the first commit has %d bytes, one of all %d", rest, all)
	}
	if _, err := r.Fetch(t.Context(), first, nil); !errors.Is(err, ErrMoved) {
		t.Errorf("a commit that is no branch's: %v", err)
	}
}

func TestOverHTTP(t *testing.T) {
	root, first, second := newRepository(t)
	url := serve(t, smart(t, root, "s3cret"))
	wantCommits(t, Remote{url + "/shop", "main", specs.Credential{Secret: "s3cret"}}, first, second)
}

// A path is asked for as it was written, in both requests.
func TestEscapedPath(t *testing.T) {
	root, first, second := newRepository(t)
	forge := smart(t, root, "")
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/ops%2Fshop")
		if !ok {
			http.NotFound(w, r)
			return
		}
		r.URL.Path, r.URL.RawPath = "/shop"+rest, ""
		forge.ServeHTTP(w, r)
	}))
	wantCommits(t, Remote{url + "/ops%2Fshop", "main", specs.Credential{}}, first, second)
}

func TestFromDisk(t *testing.T) {
	root, first, second := newRepository(t)
	wantCommits(t, Remote{"file://" + root + "/shop", "main", specs.Credential{}}, first, second)
}

// What is wrong is said in words, which hold no credential.
func TestWords(t *testing.T) {
	root, _, _ := newRepository(t)
	run(t, root, "init", "-q", "--object-format=sha256", filepath.Join(root, "wide"))
	run(t, filepath.Join(root, "wide"), "commit", "-q", "--allow-empty", "-m", "one")
	run(t, root, "init", "-q", "-b", "main", filepath.Join(root, "empty"))
	if err := os.WriteFile(filepath.Join(root, "text"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	forge := serve(t, smart(t, root, "s3cret"))
	public := serve(t, smart(t, root, ""))
	page := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }))
	status := func(code int) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // that the client did not trust it
	nobody := "http://" + l.Addr().String()
	l.Close()
	known := specs.Credential{Secret: "s3cret"}
	for _, c := range []struct {
		url        string
		credential specs.Credential
		words      string
	}{
		{forge + "/shop", specs.Credential{}, "it asks for credentials: give --token-file"},
		{forge + "/shop", specs.Credential{Secret: "wr0ng"}, "it refuses the credentials (status 401)"},
		{forge + "/none", known, "there is no such repository, or the token may not read it"},
		{public + "/none", specs.Credential{}, "there is no such repository, or it is private"},
		{page + "/shop", known, "no Git repository answers there, but a web page"},
		{status(503) + "/shop", known, "it answers with status 503"},
		{status(429) + "/shop", known, "take a longer --interval"},
		{nobody + "/shop", known, "nothing listens at " + l.Addr().String() + " (connection refused): check the address"},
		{"https" + strings.TrimPrefix(nobody, "http") + "/shop", known, "nothing listens at"},
		{"ssh" + strings.TrimPrefix(nobody, "http") + "/shop", known, "nothing listens at"},
		{secure.URL + "/shop", known, "is of an authority that the manager does not trust: add that"},
		{forge + "/wide", known, "SHA-256"},
		{forge + "/empty", known, "the repository is empty"},
		{"file://" + root + "/none", specs.Credential{}, "this manager has no such folder"},
		{"file://" + root + "/text", specs.Credential{}, "it is a file, not a repository"},
		{"file://" + root, specs.Credential{}, "does not appear to be a git repository"},
	} {
		_, err := (Remote{c.url, "main", c.credential}).Tip(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v, want %q", c.url, err, c.words)
		}
	}
	_, err = (Remote{forge + "/shop", "next", known}).Tip(t.Context())
	if err == nil || err.Error() != "it has no branch next: there is main" {
		t.Errorf("another branch: %v", err)
	}
}

// A redirect within the host is followed. One to another host is not, with
// credentials or without: nothing at all is sent there.
func TestRedirects(t *testing.T) {
	root, first, second := newRepository(t)
	reached := false
	other := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	forge := smart(t, root, "s3cret")
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch rest, moved := strings.CutPrefix(r.URL.Path, "/old"); {
		case moved:
			http.Redirect(w, r, rest+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
		case strings.HasPrefix(r.URL.Path, "/away"):
			http.Redirect(w, r, other+"/shop/info/refs?"+r.URL.RawQuery, http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/round"):
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
		default:
			forge.ServeHTTP(w, r)
		}
	}))
	known := specs.Credential{Secret: "s3cret"}
	wantCommits(t, Remote{url + "/old/shop", "main", known}, first, second)
	_, err := (Remote{url + "/away", "main", known}).Tip(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it leads to another host, where nothing is sent: if "+other+"/shop is right") || reached {
		t.Errorf("another host: %v, reached %v", err, reached)
	}
	if _, err := (Remote{url + "/round", "main", known}).Tip(t.Context()); err == nil || !strings.Contains(err.Error(), "without end") {
		t.Errorf("a circle: %v", err)
	}
}

// A server that says nothing, or one byte at a time for ever, is given up when
// the context ends, and the reason is the context's.
func TestMuteAndDrippingServers(t *testing.T) {
	begun := make(chan struct{}, 10)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			begun <- struct{}{}
		}
	}()
	dripping := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		io.WriteString(w, "001e# service=git-upload-pack\n0000")
		http.NewResponseController(w).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	key, hosts := newKey(t, mute.Addr().String())
	for name, r := range map[string]Remote{
		"mute over HTTP":     {"http://" + mute.Addr().String() + "/shop", "main", specs.Credential{}},
		"mute over SSH":      {"ssh://" + mute.Addr().String() + "/shop", "main", specs.Credential{SSHKey: key.private, KnownHosts: hosts}},
		"dripping over HTTP": {dripping + "/shop", "main", specs.Credential{}},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-begun
			cancel(errors.New("enough"))
		}()
		if _, err := r.Tip(ctx); err == nil || err.Error() != "enough" {
			t.Errorf("%s: %v", name, err)
		}
		cancel(nil)
	}
}

func TestNormalize(t *testing.T) {
	for address, want := range map[string]string{
		"https://git.example/ops/infra.git":     "https://git.example/ops/infra.git",
		"https://ana@git.example/ops/infra.git": "https://git.example/ops/infra.git for ana",
		"git@git.example:ops/infra.git":         "ssh://git@git.example/ops/infra.git",
		"git.example:ops/infra.git":             "ssh://git.example/ops/infra.git",
		"ssh://git@git.example:2222/infra":      "ssh://git@git.example:2222/infra",
		"/srv/infra.git":                        "file:///srv/infra.git",
		"https://ana:s3cret@git.example/infra":  "a password does not belong into an address: give it by --token-file",
		"ssh://ana:s3cret@git.example/infra":    "a password does not belong into an address: give it by --token-file",
		"ftp://git.example/infra":               `"ftp" is not one of https://, http://, ssh:// and file://`,
		"infra":                                 `"" is not one of https://, http://, ssh:// and file://`,
		"https://git.example":                   "it names no host and repository",
		"file://host/srv":                       "a repository on this machine is file:///PATH",
		"https://ana:s3cret@%zz/":               "it is no address of a repository",
		"ext::sh -c id":                         `"ext" is not one of https://, http://, ssh:// and file://`,
	} {
		got, user, err := Normalize(address)
		if user != "" {
			got += " for " + user
		}
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}
