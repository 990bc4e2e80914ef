package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// git runs the system's git, and nothing of its user's configuration.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=ana", "GIT_AUTHOR_EMAIL=ana@example", "GIT_COMMITTER_NAME=ana", "GIT_COMMITTER_EMAIL=ana@example")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git(t.Context(), dir, args...)
	if err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return out
}

// remote serves an empty repository as the leader's Git, by git's own server,
// and returns a working tree with one commit that is larger than what git sends
// at once.
func (p *pair) remote() (tree, url string) {
	p.t.Helper()
	root := p.t.TempDir()
	mustGit(p.t, root, "init", "--quiet", "--bare", "-b", "main", "git/main.git")
	mustGit(p.t, root, "-C", "git/main.git", "config", "http.receivepack", "true")
	hook := "#!/bin/sh\necho planned\necho moved >&2\n"
	if err := os.WriteFile(filepath.Join(root, "git/main.git/hooks/post-receive"), []byte(hook), 0o755); err != nil {
		p.t.Fatal(err)
	}
	p.leader.Handle("/git/", &cgi.Handler{
		Path: "/bin/sh", Args: []string{"-c", "exec git http-backend"}, Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=ana"}, InheritEnv: []string{"PATH"},
	})
	tree = filepath.Join(root, "tree")
	mustGit(p.t, root, "init", "--quiet", "-b", "main", tree)
	big := make([]byte, 2<<20)
	if _, err := rand.Read(big); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "big"), big, 0o644); err != nil {
		p.t.Fatal(err)
	}
	mustGit(p.t, tree, "add", "big")
	mustGit(p.t, tree, "commit", "--quiet", "-m", "first")
	return tree, "http://swarmgit:secret@" + p.addr + "/git/main.git"
}

func TestGitThroughAnotherManager(t *testing.T) {
	p := newPair(t)
	tree, url := p.remote()
	out := mustGit(t, tree, "push", url, "main")
	for _, want := range []string{"remote: planned", "remote: moved", "main -> main"} {
		if !strings.Contains(out, want) {
			t.Errorf("the push says not %q:\n%s", want, out)
		}
	}
	clone := filepath.Join(t.TempDir(), "clone")
	mustGit(t, tree, "clone", "--quiet", url, clone)
	if got, want := mustGit(t, clone, "rev-parse", "HEAD"), mustGit(t, tree, "rev-parse", "HEAD"); got != want {
		t.Errorf("cloned %s of %s", got, want)
	}
	p.nobody.Store(true)
	out, err := git(t.Context(), tree, "push", url, "HEAD:again")
	if err == nil || !strings.Contains(out, "remote: swarmgit: "+noLeader) {
		t.Errorf("nobody leads: %v: %s", err, out)
	}
}

// A leader that is lost under a push leaves its outcome open, and git says so:
// before the first word of the answer, or after it.
func TestAPushWhoseLeaderIsLost(t *testing.T) {
	const words = "remote: swarmgit: outcome not known (the leader went away meanwhile): " +
		"remote: see \"swarmgit revisions\"; pushing again is safe"
	for name, before := range map[string]string{"silent": "", "under way": string(progress("planned\n"))} {
		p := newPair(t)
		tree, url := p.remote()
		p.leader.HandleFunc("POST /git/main.git/git-receive-pack", func(w http.ResponseWriter, r *http.Request) {
			if before != "" {
				w.Header().Set("Content-Type", pushResult)
				fmt.Fprint(w, before)
				_ = http.NewResponseController(w).Flush()
			}
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		})
		out, err := git(t.Context(), tree, "push", url, "main")
		told := strings.Join(strings.Fields(out), " ") // git pads its lines
		if err == nil || !strings.Contains(told, words) || before != "" && !strings.Contains(out, "remote: planned") {
			t.Errorf("%s: %v: %q", name, err, out)
		}
	}
}

func TestAnAnswerThatBreaksOff(t *testing.T) {
	cut := errors.New("cut off")
	const report, envelope = "000eunpack ok\n0000", "\x00\x00\x00\x00\x02{}"
	for _, c := range []struct {
		name   string
		frames frames
		sent   string
		end    error
		words  bool // it ends in words, not in the error
	}{
		{"whole", pushFrames, report, nil, false},
		{"nothing", pushFrames, "", cut, true},
		{"between packets", pushFrames, "000eunpack ok\n", cut, true},
		{"after all", pushFrames, report, cut, true},
		{"in a length", pushFrames, "000eunpack ok\n00", cut, false},
		{"in a packet", pushFrames, "000eunpack", cut, false},
		{"not git's", pushFrames, "<html>", cut, false},
		{"a whole stream", streamFrames, envelope + "\x02\x00\x00\x00\x02{}", nil, false},
		{"between envelopes", streamFrames, envelope + envelope, cut, true},
		{"an empty envelope", streamFrames, "\x00\x00\x00\x00\x00", cut, true},
		{"in an envelope's length", streamFrames, envelope + "\x00\x00", cut, false},
		{"in an envelope", streamFrames, "\x00\x00\x00\x01\x00{}", cut, false},
	} {
		for kind, split := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
		} {
			source := io.Reader(strings.NewReader(c.sent))
			if c.end != nil {
				source = io.MultiReader(source, iotest.ErrReader(c.end))
			}
			got, err := io.ReadAll(&finished{ReadCloser: io.NopCloser(split(source)), frames: c.frames, why: func() *end { return leaderGone }})
			want, wantErr := []byte(c.sent), c.end
			if c.words {
				want, wantErr = append(want, c.frames.end(leaderGone)...), nil
			}
			if !bytes.Equal(got, want) || !errors.Is(err, wantErr) {
				t.Errorf("%s, %s: got %q, %v", c.name, kind, got, err)
			}
		}
	}
}
