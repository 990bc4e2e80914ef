package git

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// site is a served repository with a cluster behind it.
type site struct {
	t       *testing.T
	repo    *Repository
	cluster *cluster
	server  *Server
	http    *httptest.Server
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	repo, err := Open(t.Context(), filepath.Join(dir, "main.git"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(repo.Close)
	s := serve(t, repo)
	t.Cleanup(s.http.Close)
	return s
}

func serve(t *testing.T, repo *Repository) *site {
	cluster := newCluster(t)
	server := &Server{Repository: repo, Cluster: cluster}
	web := httptest.NewUnstartedServer(server)
	web.Config.ErrorLog = log.New(complaints{t}, "", 0)
	web.Start()
	return &site{t, repo, cluster, server, web}
}

// complaints are what net/http says of us: always a mistake of ours.
type complaints struct{ t *testing.T }

func (c complaints) Write(p []byte) (int, error) {
	c.t.Errorf("net/http: %s", p)
	return len(p), nil
}

func (s *site) url() string { return s.http.URL + Path }

// clone is a person's working tree with the remote "swarm".
type clone struct {
	t   *testing.T
	dir string
}

func (s *site) clone() *clone {
	c := &clone{s.t, s.t.TempDir()}
	c.git("init", "-q", "-b", "main")
	c.git("remote", "add", "swarm", s.url())
	c.git("config", "gc.auto", "0") // in the background it outlives the test
	return c
}

func (c *clone) command(args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir = c.dir
	cmd.Env = Environment("HOME="+c.dir, "GIT_AUTHOR_NAME=Ana", "GIT_AUTHOR_EMAIL=ana@example", "GIT_COMMITTER_NAME=Ana", "GIT_COMMITTER_EMAIL=ana@example",
		"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	return cmd
}

// try runs git and returns all it said.
func (c *clone) try(args ...string) (string, error) {
	out, err := c.command(args...).CombinedOutput()
	return string(out), err
}

func (c *clone) git(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (c *clone) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// commit makes a commit of one changed file and returns its hash.
func (c *clone) commit(name, text, message string) string {
	c.t.Helper()
	c.write(name, text)
	c.git("add", "-A")
	c.git("commit", "-q", "-m", message)
	return c.git("rev-parse", "HEAD")
}

// localRef is what the repository on disk has.
func (s *site) localRef(ref string) string {
	s.t.Helper()
	refs, err := s.repo.localRefs(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return refs[ref]
}

func (s *site) wantRef(ref, commit string) {
	s.t.Helper()
	if row := s.cluster.Refs()[ref]; row != commit {
		s.t.Errorf("row of %s is %q, want %q", ref, row, commit)
	}
	if local := s.localRef(ref); local != commit {
		s.t.Errorf("local %s is %q, want %q", ref, local, commit)
	}
}

func TestPush(t *testing.T) {
	s := newSite(t)
	s.cluster.check = func(_ context.Context, push Push, out io.Writer) error {
		text, err := push.Files.(*Tree).ReadFile("stacks/shop/stack.yml")
		fmt.Fprintf(out, "1 stack: %s\n", text)
		return err
	}
	s.cluster.follow = func(_ context.Context, push Push, out io.Writer) error {
		fmt.Fprintf(out, "healthy: %s after 1s\n", push.Commit.Short())
		return nil
	}
	c := s.clone()
	first := c.commit("stacks/shop/stack.yml", "services: {}", "web: first")
	out := c.git("push", "swarm", "main")
	s.wantRef("refs/heads/main", first)
	want := fmt.Sprintf(`remote: swarmgit: %.7s "web: first"
remote: 1 stack: services: {}
remote:
remote: main is %.7s, committed
remote:
remote: healthy: %.7s after 1s
To %s
 * [new branch]      main -> main`, first, first, first, s.url())
	if got := trimLines(out); got != want {
		t.Errorf("push said\n%s\nwant\n%s", got, want)
	}

	second := c.commit("stacks/shop/stack.yml", "services: {web: {}}", "web: second")
	c.git("push", "swarm", "main")
	s.wantRef("refs/heads/main", second)

	other := t.TempDir()
	c.git("clone", "-q", s.url(), other)
	if got := c.git("-C", other, "rev-parse", "HEAD"); got != second {
		t.Errorf("a clone is at %s, want %s", got, second)
	}
}

// trimLines drops the blanks that git pads remote lines with.
func trimLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.Join(lines, "\n")
}

func (s *site) packs() int { return len(s.files("objects/pack/*.pack")) }

func (s *site) files(pattern string) []string {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.repo.dir, pattern))
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// wantNoLeftovers says that no receive has left anything half done.
func (s *site) wantNoLeftovers() {
	s.t.Helper()
	for _, pattern := range []string{"objects/tmp_objdir-*", "objects/pack/*.keep", "objects/pack/tmp_*", "refs/heads/*.lock"} {
		if found := s.files(pattern); len(found) > 0 {
			s.t.Errorf("left behind: %v", found)
		}
	}
	if n := len(s.repo.slots); n != maxReceives {
		s.t.Errorf("%d of %d slots are free", n, maxReceives)
	}
}

func oneMebibyte() specs.Bytes { return 1 << 20 }

// noise is text that does not compress, the same in every run.
func noise(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}
