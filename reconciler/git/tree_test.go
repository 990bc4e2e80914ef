package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

// stored pushes what is committed in the clone, and opens it twice: as the
// cluster's check sees it, in quarantine, and as it is stored.
func (s *site) stored(c *clone, look func(name string, tree *Tree)) {
	s.t.Helper()
	s.cluster.check = func(_ context.Context, push Push, _ io.Writer) error {
		look("in quarantine", push.Files.(*Tree))
		return nil
	}
	c.git("push", "-q", "swarm", "main")
	tree, err := s.repo.Files(s.t.Context(), "main")
	if err != nil {
		s.t.Fatal(err)
	}
	look("stored", tree)
}

func TestTreeIsAFileSystem(t *testing.T) {
	s, c := newSite(t), newSite(t).clone()
	c.git("remote", "set-url", "swarm", s.url())
	c.write("stacks/shop/stack.yml", "services: {}\n")
	c.write("stacks/shop/conf/a b.conf", "")
	c.write("stacks.yml", "sorts between stacks and stacks/")
	c.write("README.md", "hello")
	c.write("bin/run", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(c.dir, "bin/run"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.commit("deep/er/and/deeper/x", "x", "files")
	s.stored(c, func(name string, tree *Tree) {
		err := fstest.TestFS(tree, "stacks/shop/stack.yml", "stacks/shop/conf/a b.conf", "stacks.yml", "README.md", "bin/run", "deep/er/and/deeper/x")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := fs.Stat(tree, "bin/run"); err != nil || info.Mode() != 0o555 || info.Size() != 10 {
			t.Errorf("%s: bin/run is %v, %v", name, info, err)
		}
	})
}

func TestHostileTrees(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	c.commit("stacks/shop/stack.yml", "services: {}", "first")
	os.Symlink("../../../etc/passwd", filepath.Join(c.dir, "stacks/shop/passwd"))
	os.Symlink("stacks/shop", filepath.Join(c.dir, "shop"))
	c.write("huge", strings.Repeat("\x00", maxFile+1))
	c.git("add", "-A")
	blob := c.git("rev-parse", ":stacks/shop/stack.yml")
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "100644 %s\tmany/%05d.yml\n", blob, i)
	}
	index := c.command("update-index", "--index-info")
	index.Stdin = strings.NewReader(many.String())
	if out, err := index.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("ab", 20)+",vendor/other")
	c.git("commit", "-q", "-m", "hostile \x1b[31m\n\nbody")
	s.stored(c, func(name string, tree *Tree) {
		wantMode(t, tree, "stacks/shop/passwd", fs.ModeSymlink)
		wantMode(t, tree, "shop", fs.ModeSymlink)
		wantMode(t, tree, "vendor/other", fs.ModeIrregular)
		wantMode(t, tree, "huge", 0)
		if to, err := fs.ReadLink(tree, "stacks/shop/passwd"); to != "../../../etc/passwd" || err != nil {
			t.Errorf("%s: link goes to %q, %v", name, to, err)
		}
		wantError(t, tree, "stacks/shop/passwd", "symbolic link")
		wantError(t, tree, "shop", "symbolic link")
		wantError(t, tree, "shop/stack.yml", "does not exist")
		wantError(t, tree, "vendor/other", "submodule")
		wantError(t, tree, "huge", "more than the")
		wantError(t, tree, "many", "folder")
		wantError(t, tree, "many/none.yml", "does not exist")
		wantError(t, tree, "../main.git/config", "invalid")
		list, err := fs.ReadDir(tree, "many")
		if err != nil || len(list) != 10_000 {
			t.Errorf("%s: many has %d files, %v", name, len(list), err)
		}
		if info, err := fs.Stat(tree, "huge"); err != nil || info.Size() != maxFile+1 {
			t.Errorf("%s: huge is %v, %v", name, info, err)
		}
		if data, err := tree.ReadFile("many/09999.yml"); string(data) != "services: {}" || err != nil {
			t.Errorf("%s: after all that a file reads %q, %v", name, data, err)
		}
	})
	commit, err := s.repo.Resolve(t.Context(), "main")
	if err != nil || commit.Subject != "hostile ?[31m" {
		t.Errorf("subject is %q, %v", commit.Subject, err)
	}
}

func wantMode(t *testing.T, tree *Tree, name string, mode fs.FileMode) {
	t.Helper()
	info, err := tree.Lstat(name)
	if err != nil || info.Mode().Type() != mode {
		t.Errorf("%s is %v, %v, want type %v", name, info, err, mode)
	}
}

func wantError(t *testing.T, tree *Tree, name, part string) {
	t.Helper()
	_, err := tree.ReadFile(name)
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("reading %s: %v, want %q", name, err, part)
	}
}

func TestTreeIsReadByManyAtOnce(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	for i := range 50 {
		c.write(fmt.Sprintf("d%d/f", i), fmt.Sprint(i))
	}
	c.commit("x", "x", "first")
	s.stored(c, func(name string, tree *Tree) {
		var readers sync.WaitGroup
		for range 8 {
			readers.Go(func() {
				for i := range 50 {
					if data, err := tree.ReadFile(fmt.Sprintf("d%d/f", i)); string(data) != fmt.Sprint(i) {
						t.Errorf("%s: d%d/f reads %q, %v", name, i, data, err)
					}
				}
			})
		}
		readers.Wait()
	})
}

func TestReadingGoesOnWhenTheReaderDies(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("x", "x", "first")
	c.git("push", "-q", "swarm", "main")
	for range 3 {
		if commit, err := s.repo.Resolve(t.Context(), "main"); err != nil || commit.Hash != first {
			t.Fatalf("main is %s, %v", commit.Hash, err)
		}
		child := <-s.repo.read.turn
		child.cmd.Process.Kill()
		child.cmd.Process.Wait()
		s.repo.read.turn <- child
		if _, err := s.repo.Resolve(t.Context(), "main"); err == nil {
			t.Fatal("a dead reader answered")
		}
	}
}

// TestAReaderIsNotWaitedForWithoutEnd has it say nothing, and then something that
// nobody wants.
func TestAReaderIsNotWaitedForWithoutEnd(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("x", "x", "first")
	c.git("push", "-q", "swarm", "main")
	for script, want := range map[string]error{
		"exec sleep 1000000": context.DeadlineExceeded,
		"read -r name; echo " + first + " blob 1000000000000; exec cat /dev/zero": nil,
	} {
		child := &reader{cmd: exec.Command("sh", "-c", script)}
		in, err := child.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := child.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		child.in, child.out = in, bufio.NewReader(out)
		s.repo.read.close()
		<-s.repo.read.turn
		s.repo.read.turn <- child
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if want == nil {
			ctx = t.Context()
		}
		found, err := s.repo.read.get(ctx, first, maxFile)
		if !errors.Is(err, want) || want == nil && found.data != nil {
			t.Errorf("%s: read %d bytes, %v", script, found.size, err)
		}
		cancel()
		if commit, err := s.repo.Resolve(t.Context(), "main"); err != nil || commit.Hash != first {
			t.Errorf("%s: afterwards main is %q, %v", script, commit.Hash, err)
		}
	}
}

func TestResolveAndLog(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("x", "1", "web: 1.3\n\nbecause")
	second := c.commit("x", "2", "web: 1.4")
	c.git("push", "-q", "swarm", "main")
	ctx := t.Context()
	for revision, want := range map[string]string{"main": second, second: second, Short(first): first, "main~1": first, "refs/heads/main": second} {
		if commit, err := s.repo.Resolve(ctx, revision); err != nil || commit.Hash != want {
			t.Errorf("%s is %s, %v, want %s", revision, commit.Hash, err, want)
		}
	}
	for _, revision := range []string{"", "none", "-h", "main\nmain", strings.Repeat("a", 40), "main:x", ":/web", "main^{/web}", "main" + strings.Repeat("~0", maxRevision)} {
		if commit, err := s.repo.Resolve(ctx, revision); err == nil {
			t.Errorf("%q is %s", revision, commit.Hash)
		}
	}
	if got, err := s.repo.Resolve(ctx, "main~1"); err != nil || got.Subject != "web: 1.3" || got.Author != "Ana" || len(got.Parents) != 0 {
		t.Errorf("first commit is %+v, %v", got, err)
	}
}

func TestDiffer(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	c.write("same/deep/file", "same")
	c.write("turns", "into a folder")
	c.write("gone/file", "gone")
	os.Symlink("same", filepath.Join(c.dir, "link"))
	c.commit("stacks/shop/stack.yml", "old", "first")
	c.git("push", "-q", "swarm", "main")
	os.RemoveAll(filepath.Join(c.dir, "gone"))
	os.Remove(filepath.Join(c.dir, "turns"))
	os.Remove(filepath.Join(c.dir, "link"))
	os.Symlink("elsewhere", filepath.Join(c.dir, "link"))
	c.write("turns/folder", "x")
	c.commit("stacks/shop/stack.yml", "new", "second")
	c.git("push", "-q", "swarm", "main")

	old, err := s.repo.Files(t.Context(), "main~1")
	if err != nil {
		t.Fatal(err)
	}
	latest, err := s.repo.Files(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(c.dir, ".git"), filepath.Join(t.TempDir(), "git")); err != nil {
		t.Fatal(err)
	}
	want := []string{"gone/file", "link", "stacks/shop/stack.yml", "turns", "turns/folder"}
	for name, newer := range map[string]fs.FS{"stored": latest, "working tree": os.DirFS(c.dir)} {
		for _, pair := range [][2]fs.FS{{old, newer}, {newer, old}} {
			if got, err := Differ(pair[0], pair[1]); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %q, %v, want %q", name, got, err, want)
			}
		}
	}
	if got, err := Differ(latest, os.DirFS(c.dir)); err != nil || len(got) != 0 {
		t.Errorf("a clean working tree differs in %q, %v", got, err)
	}
}

func TestSync(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("x", "1", "first")
	c.git("push", "-q", "swarm", "main")
	second := c.commit("x", "2", "second")
	c.git("push", "-q", "swarm", "main")
	absent := strings.Repeat("ab", 20)
	// What a daemon finds that was killed between the row and the ref, or that
	// was restored from somewhere else.
	s.cluster.refs = map[string]string{"refs/heads/main": first, "refs/heads/other": second, "refs/heads/lost": absent}
	s.repo.git(t.Context(), "", "update-ref", "refs/heads/extra", second)

	err := s.repo.Sync(t.Context(), s.cluster.Refs)
	var missing *MissingError
	if !errors.As(err, &missing) || len(missing.Refs) != 1 || missing.Refs["refs/heads/lost"] != absent {
		t.Errorf("sync says %v", err)
	}
	refs, err := s.repo.localRefs(t.Context())
	if err != nil || len(refs) != 2 || refs["refs/heads/main"] != first || refs["refs/heads/other"] != second {
		t.Errorf("local refs are %v, %v", refs, err)
	}
}

// TestSyncMovesABranchIntoItsFolder is of a manager that was away while a branch
// made room for another one.
func TestSyncMovesABranchIntoItsFolder(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("x", "1", "first")
	c.git("push", "-q", "swarm", "main:a")
	for _, name := range []string{"refs/heads/a/b", "refs/heads/a"} {
		s.cluster.refs = map[string]string{name: first}
		if err := s.repo.Sync(t.Context(), s.cluster.Refs); err != nil {
			t.Fatal(err)
		}
		s.wantRef(name, first)
	}
}

func TestOpenAgainClearsWhatAKilledDaemonLeft(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("x", "1", "first")
	c.git("push", "-q", "swarm", "main")
	for _, left := range []string{"objects/tmp_objdir-incoming-x/pack/tmp_pack_1", "objects/pack/pack-1.keep", "refs/heads/a/b.lock", "packed-refs.lock"} {
		path := filepath.Join(s.repo.dir, left)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(t.Context(), s.repo.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	s.wantNoLeftovers()
	s.wantRef("refs/heads/main", first)
	if found := s.files("refs/heads/a/*"); len(found) != 0 {
		t.Errorf("left behind: %v", found)
	}
}

func TestTidyKeepsEverythingReadable(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	var commits []string
	for i := range 4 {
		commits = append(commits, c.commit("x", fmt.Sprint(i), fmt.Sprint(i)))
		c.git("push", "-q", "swarm", "main")
	}
	c.git("push", "-q", "swarm", "main:other")
	c.git("commit", "-q", "--amend", "-m", "rewound")
	rewound := c.git("rev-parse", "HEAD")
	c.git("push", "-q", "--force", "swarm", "main:other")
	c.git("push", "-q", "swarm", ":other")
	if err := s.repo.tidy(t.Context(), 100); err != nil || s.packs() != 5 {
		t.Errorf("below the threshold: %d packs, %v", s.packs(), err)
	}
	if err := s.repo.tidy(t.Context(), 3); err != nil || s.packs() != 1 {
		t.Errorf("above the threshold: %d packs, %v", s.packs(), err)
	}
	for _, commit := range append(commits, rewound) {
		if _, err := s.repo.Files(t.Context(), commit); err != nil {
			t.Errorf("after tidying: %v", err)
		}
	}
	c.git("clone", "-q", s.url(), t.TempDir())
	c.git("checkout", "-q", commits[3])
	c.git("checkout", "-q", "-B", "main")
	next := c.commit("x", "next", "next")
	c.git("push", "-q", "swarm", "main")
	s.wantRef("refs/heads/main", next)
	s.wantNoLeftovers()
}

func TestTidyWaitsForReceives(t *testing.T) {
	s := newSite(t)
	checking, goOn := make(chan struct{}), make(chan struct{})
	s.cluster.check = func(context.Context, Push, io.Writer) error {
		close(checking)
		<-goOn
		return nil
	}
	c := s.clone()
	first := c.commit("x", "1", "first")
	push := c.start("push", "swarm", "main")
	await(t, "the check", checking)
	ctx, cancel := context.WithCancel(t.Context())
	tidied := make(chan error)
	go func() { tidied <- s.repo.tidy(ctx, -1) }()
	cancel()
	if err := await(t, "tidy", tidied); !errors.Is(err, context.Canceled) {
		t.Errorf("tidy ran during a receive: %v", err)
	}
	close(goOn)
	if err := await(t, "git push", push.ended); err != nil {
		t.Errorf("push: %v", err)
	}
	if err := s.repo.tidy(t.Context(), -1); err != nil {
		t.Error(err)
	}
	s.wantRef("refs/heads/main", first)
	s.wantNoLeftovers()
}

func TestNobodyPushesPastTheDaemon(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	c.commit("x", "1", "first")
	if said, err := c.try("push", s.repo.dir, "main"); err == nil {
		t.Errorf("a push into the data directory went through: %s", said)
	}
	s.wantRef("refs/heads/main", "")
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err := Open(t.Context(), filepath.Join(t.TempDir(), "main.git"))
	if err == nil || !strings.Contains(err.Error(), "install the package git") {
		t.Errorf("without git: %v", err)
	}
}
