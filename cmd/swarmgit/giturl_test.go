package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// added runs addRemote in dir, as git-url --add does.
func added(t *testing.T, dir, socket, name, url string) (said string, err error) {
	t.Helper()
	t.Chdir(dir)
	var out strings.Builder
	c := &cobra.Command{}
	c.SetContext(t.Context())
	c.SetOut(&out)
	helper, err := credentialHelper(&options{host: socket})
	if err == nil {
		err = addRemote(c, name, url, helper)
	}
	return out.String(), err
}

func TestAddRemote(t *testing.T) {
	dir := t.TempDir()
	inGit(t, dir, "init", "-q")
	const url = "http://127.0.0.1:2378/git/main.git"
	said, err := added(t, dir, "/tmp/it's here/sock", "swarm", url)
	if err != nil || said != "remote swarm is "+url+": git push swarm main\n" {
		t.Fatalf("%q, %v", said, err)
	}
	helper := "!" + shellQuote(executable()) + ` --host '/tmp/it'\''s here/sock' git-credential`
	wantHelpers := func(want string) {
		t.Helper()
		got := inGit(t, dir, "config", "--get-all", "credential.http://127.0.0.1:2378.helper")
		if got != "\n"+want { // the empty one first: no other helper is asked
			t.Errorf("helpers %q, want %q after an empty one", got, want)
		}
	}
	wantHelpers(helper)
	if got := inGit(t, dir, "remote", "get-url", "swarm"); got != url {
		t.Errorf("the remote is %s", got)
	}

	// Again, with another socket: nothing piles up.
	if _, err := added(t, dir, "/run/sock", "swarm", url); err != nil {
		t.Fatal(err)
	}
	wantHelpers("!" + shellQuote(executable()) + " --host '/run/sock' git-credential")

	if _, err := added(t, dir, "/run/sock", "swarm", "http://127.0.0.1:9999/git/main.git"); err != nil {
		t.Fatal(err)
	}
	if got := inGit(t, dir, "remote", "get-url", "swarm"); got != "http://127.0.0.1:9999/git/main.git" {
		t.Errorf("the remote was not corrected: %s", got)
	}
	if got := inGit(t, dir, "remote"); got != "swarm" {
		t.Errorf("remotes %q", got)
	}
}

func TestAddRemoteOutsideOfARepository(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", dir)
	if _, err := added(t, dir, "/run/sock", "swarm", "http://127.0.0.1:2378/git/main.git"); err == nil ||
		!strings.Contains(err.Error(), "git-url --add swarm: git remote: ") {
		t.Errorf("got %v", err)
	}
}

// Git runs the helper in whatever directory it is in itself.
func TestCredentialHelperOfAnyDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	helper, err := credentialHelper(&options{host: "run/sock"})
	if want := "!" + shellQuote(executable()) + " --host " + shellQuote(dir+"/run/sock") + " git-credential"; err != nil || helper != want {
		t.Errorf("%s, %v, want %s", helper, err, want)
	}
}

func TestAddRemoteWithoutGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := added(t, t.TempDir(), "/run/sock", "swarm", "http://127.0.0.1:2378/git/main.git")
	if err == nil || !strings.Contains(err.Error(), "install git") {
		t.Errorf("got %v", err)
	}
}
