package git

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
)

var update = flag.Bool("update", false, "rewrite testdata")

// refusals are pushes that must not be, each on a site where main has one commit
// and so has the clone.
var refusals = []struct {
	name string
	push func(s *site, c *clone) (said string, err error)
}{
	{"not a fast-forward", func(s *site, c *clone) (string, error) {
		c.git("commit", "-q", "--amend", "-m", "rewritten")
		return c.try("push", "--force", "swarm", "main")
	}},
	{"not a fast-forward, several commits", func(s *site, c *clone) (string, error) {
		c.git("checkout", "-q", "--orphan", "fresh")
		c.commit("a.yml", "a", "other root")
		c.commit("b.yml", "b", "on top of it")
		return c.try("push", "--force", "swarm", "fresh:main")
	}},
	{"moved meanwhile", func(s *site, c *clone) (string, error) {
		c.commit("a.yml", "a", "mine")
		moved := false
		s.cluster.check = func(context.Context, Push, io.Writer) error {
			moved = true
			s.cluster.set("refs/heads/main", strings.Repeat("ab", 20))
			return nil
		}
		said, err := c.try("push", "swarm", "main")
		if !moved {
			s.t.Error("the push was not checked")
		}
		s.cluster.set("refs/heads/main", c.git("rev-parse", "main~"))
		return said, err
	}},
	{"deletion of the followed branch", func(s *site, c *clone) (string, error) {
		return c.try("push", "swarm", ":main")
	}},
	{"a tag", func(s *site, c *clone) (string, error) {
		c.git("tag", "v1")
		return c.try("push", "swarm", "v1")
	}},
	{"a branch and its tags", func(s *site, c *clone) (string, error) {
		c.git("tag", "v1")
		c.commit("a.yml", "a", "more")
		return c.try("push", "swarm", "--tags", "main")
	}},
	{"two branches", func(s *site, c *clone) (string, error) {
		c.commit("a.yml", "a", "more")
		return c.try("push", "swarm", "main", "main:other")
	}},
	{"another namespace", func(s *site, c *clone) (string, error) {
		c.commit("a.yml", "a", "more")
		return c.try("push", "swarm", "main:refs/for/main")
	}},
	{"a branch inside a branch", func(s *site, c *clone) (string, error) {
		return c.try("push", "swarm", "main:refs/heads/main/x")
	}},
	{"a name that no file can have", func(s *site, c *clone) (string, error) {
		return c.try("push", "swarm", "main:refs/heads/"+strings.Repeat("x", 300))
	}},
	{"an unknown option", func(s *site, c *clone) (string, error) {
		c.commit("a.yml", "a", "more")
		return c.try("push", "-o", "nowait", "swarm", "main")
	}},
	{"a tag object as a branch", func(s *site, c *clone) (string, error) {
		c.git("tag", "-a", "-m", "annotated", "v1")
		return c.try("push", "swarm", "v1^{tag}:refs/heads/odd")
	}},
	{"problems in the files", func(s *site, c *clone) (string, error) {
		c.commit("stacks/shop/stack.yml", "services: fife", "typo")
		s.cluster.check = func(_ context.Context, _ Push, out io.Writer) error {
			fmt.Fprint(out, "\n", Wrap("stacks/shop/stack.yml:1:11: services: must be a map of services, got \"fife\"", "  "))
			return errors.New("1 problem")
		}
		return c.try("push", "swarm", "main")
	}},
	{"commit refused", func(s *site, c *clone) (string, error) {
		c.commit("a.yml", "a", "more")
		s.cluster.commit = func(context.Context, Push) error {
			return errors.New("the manager's disk is almost full (200 MiB free): free some space, then push again")
		}
		return c.try("push", "swarm", "main")
	}},
	{"outcome not known, not done", func(s *site, c *clone) (string, error) {
		c.commit("a.yml", "a", "more")
		s.cluster.commit = func(context.Context, Push) error { return fmt.Errorf("propose: %w", ErrOutcomeUnknown) }
		return c.try("push", "swarm", "main")
	}},
	{"pack over the limit", func(s *site, c *clone) (string, error) {
		c.commit("image.tar", noise(2<<20), "a build")
		return c.try("push", "swarm", "main")
	}},
	{"history that the clone lacks", func(s *site, c *clone) (string, error) {
		// A shallow clone of another repository, whose parents are not here.
		other := &clone{s.t, s.t.TempDir()}
		other.git("init", "-q", "-b", "main")
		other.commit("x", "1", "old")
		other.commit("x", "2", "new")
		shallow := &clone{s.t, s.t.TempDir()}
		shallow.git("clone", "-q", "--depth=1", "file://"+other.dir, ".")
		return shallow.try("push", s.url(), "main:imported")
	}},
}

func TestRefusals(t *testing.T) {
	var screens strings.Builder
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.server.PackLimit = oneMebibyte
			mine := s.clone()
			first := mine.commit("stacks/shop/stack.yml", "services: {}", "first")
			mine.git("push", "-q", "swarm", "main")
			packs := s.packs()

			said, err := c.push(s, mine)
			if err == nil {
				t.Errorf("git push exits 0")
			}
			s.wantRef("refs/heads/main", first)
			if n := len(s.cluster.Refs()); n != 1 {
				t.Errorf("%d refs, want main alone", n)
			}
			if strings.Contains(c.name, "commit") || strings.Contains(c.name, "meanwhile") || strings.Contains(c.name, "outcome") {
				packs++ // refused only after the quarantine, whose objects housekeeping prunes
			}
			if got := s.packs(); got > packs {
				t.Errorf("%d packs, want %d", got, packs)
			}
			s.wantNoLeftovers()
			for line := range strings.Lines(said) {
				if text, ok := strings.CutPrefix(line, "remote: "); ok && utf8.RuneCountInString(strings.TrimRight(text, " \n")) > Width {
					t.Errorf("wider than %d columns: %s", Width, text)
				}
			}
			fmt.Fprintf(&screens, "=== %s\n%s\n\n", c.name, strings.ReplaceAll(trimLines(said), s.url(), "http://127.0.0.1:2378"+Path))

			s.cluster.check, s.cluster.commit = nil, nil
			fix := s.clone()
			fix.git("pull", "-q", "swarm", "main")
			fixed := fix.commit("fix.yml", "fix", "the fix")
			fix.git("push", "swarm", "main")
			s.wantRef("refs/heads/main", fixed)
		})
	}
	golden(t, "testdata/refusals.txt", screens.String())
}

// TestNamesOfBranches takes no name into a row that git, whose clients know better,
// would not keep: the repositories of all managers could not follow the row.
func TestNamesOfBranches(t *testing.T) {
	c := workTree(t)
	for _, name := range []string{
		"main", "a/b", "-x", "@", "a@b", "ä", "\xff", "a.b", "locks", "x{", "HEAD",
		"", "a b", "a..b", "a.lock", "a.lock/b", "a/", "/a", "a//b", "a.", ".a", "a/.b", "@{", "a@{1}", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a\nb", "a\tb", "a\x7f",
	} {
		_, err := c.try("check-ref-format", "refs/heads/"+name)
		if got, want := IsBranch(name), err == nil; got != want {
			t.Errorf("%q is a branch: %v, git says %v", name, got, want)
		}
	}
	if judgeName("refs/heads/"+strings.Repeat("x", maxBranch+1), nil) == nil {
		t.Error("a name is taken that is too long for a file")
	}

	s := newSite(t)
	mine := s.clone()
	first := mine.commit("x", "1", "first")
	body := pktline.Line(zeroHash+" "+first+" refs/heads/a\nb\x00report-status") + pktline.Flush + string(mine.pack(first))
	if _, said := s.post("/git-receive-pack", []byte(body)); !strings.Contains(said, "not a name of a branch") || len(s.cluster.Refs()) > 0 {
		t.Errorf("answered %q, the rows are %v", said, s.cluster.Refs())
	}
	s.wantNoLeftovers()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update rewrites it); now:\n%s", name, got)
	}
}
