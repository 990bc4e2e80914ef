package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func newRepository(t *testing.T) *Repository {
	t.Helper()
	repo, err := Open(t.Context(), filepath.Join(t.TempDir(), "main.git"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(repo.Close)
	return repo
}

// workTree is a person's repository without a remote.
func workTree(t *testing.T) *clone {
	c := &clone{t, t.TempDir()}
	c.git("init", "-q", "-b", "main")
	c.git("config", "gc.auto", "0")
	return c
}

// pack is what the commit needs beyond have.
func (c *clone) pack(commit string, have ...string) []byte {
	c.t.Helper()
	dir := filepath.Join(c.dir, ".git")
	from := &Repository{dir: dir, read: newObjects(dir)}
	defer from.read.close()
	var pack bytes.Buffer
	if err := from.Pack(c.t.Context(), commit, have, &pack); err != nil {
		c.t.Fatal(err)
	}
	return pack.Bytes()
}

func (r *Repository) take(t *testing.T, pack []byte, commit string) {
	t.Helper()
	if err := r.Unpack(t.Context(), bytes.NewReader(pack), commit, maxTransfer); err != nil {
		t.Fatal(err)
	}
}

// wantHas compares what the repository has of commits, and looks for leftovers.
func (r *Repository) wantHas(t *testing.T, want bool, commits ...string) {
	t.Helper()
	for _, commit := range commits {
		if got := r.Has(t.Context(), commit); got != want {
			t.Errorf("has %s: %v", Short(commit), got)
		}
	}
	for _, pattern := range []string{"objects/tmp_objdir-*", "objects/pack/tmp_*"} {
		if found, _ := filepath.Glob(filepath.Join(r.dir, pattern)); len(found) > 0 {
			t.Errorf("left behind: %v", found)
		}
	}
}

func (r *Repository) tidyNow(t *testing.T) {
	t.Helper()
	if err := r.tidy(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}

// age makes all objects older than housekeeping keeps what nobody needs.
func (r *Repository) age(t *testing.T) {
	t.Helper()
	old := time.Now().AddDate(0, -1, 0)
	err := filepath.WalkDir(filepath.Join(r.dir, "objects"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return os.Chtimes(path, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPackAndUnpack(t *testing.T) {
	c := workTree(t)
	first := c.commit("a.yml", strings.Repeat("services: {}\n", 500), "first")
	second := c.commit("a.yml", strings.Repeat("services: {}\n", 500)+"# more\n", "second")
	third := c.commit("b.yml", "b", "third")
	repo := newRepository(t)
	repo.wantHas(t, false, first, second)
	repo.take(t, c.pack(first), first)
	repo.wantHas(t, true, first)
	repo.wantHas(t, false, second)
	thin := c.pack(second, first)
	if full := c.pack(second); len(thin) >= len(full) {
		t.Errorf("the thin pack has %d bytes, the full %d", len(thin), len(full))
	}
	repo.take(t, thin, second)
	repo.wantHas(t, true, first, second)
	repo.take(t, c.pack(second, second), second) // nothing but a promise
	repo.take(t, c.pack(third, strings.Repeat("1", 40), "--all", second), third)
	repo.wantHas(t, true, third)
	files, err := repo.Files(t.Context(), third)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := files.ReadFile("b.yml"); err != nil || string(text) != "b" {
		t.Errorf("b.yml is %q, %v", text, err)
	}
}

func TestUnpackTakesAllOrNothing(t *testing.T) {
	c := workTree(t)
	first := c.commit("a.yml", strings.Repeat("services: {}\n", 500), "first")
	second := c.commit("a.yml", strings.Repeat("services: {}\n", 501), "second")
	large := c.commit("large", noise(1<<20), "large")
	full, thin := c.pack(second), c.pack(second, first)
	repo := newRepository(t)
	var notWhole = func(err error) bool { return errors.Is(err, errNotWhole) }
	var other = func(err error) bool { return err != nil && !errors.Is(err, errNotWhole) }
	for name, tc := range map[string]struct {
		pack   []byte
		cut    bool
		commit string
		fails  func(error) bool
	}{
		"nothing":         {nil, false, second, other},
		"garbage":         {[]byte(noise(5000)), false, second, other},
		"cut at once":     {nil, true, second, other},
		"cut at the end":  {full, true, second, other},
		"cut":             {full[:len(full)/2], true, second, other},
		"short":           {full[:len(full)-1], false, second, other},
		"no base":         {thin, false, second, notWhole},
		"another commit":  {c.pack(first), false, second, notWhole},
		"too large":       {c.pack(large), false, large, other},
		"not a commit":    {full, false, "main", other},
		"bits turned":     {append(bytes.Clone(full[:40]), append([]byte{full[40] ^ 1}, full[41:]...)...), false, second, other},
		"without a blob":  {c.packWithout(t, second, "a.yml"), false, second, notWhole},
		"without parents": {c.shallowPack(t, second), false, second, notWhole},
	} {
		var in io.Reader = bytes.NewReader(tc.pack)
		if tc.cut {
			in = io.MultiReader(in, iotest.ErrReader(errors.New("the connection is gone")))
		}
		err := repo.Unpack(t.Context(), in, tc.commit, 1<<19)
		if !tc.fails(err) {
			t.Errorf("%s: %v", name, err)
		}
		repo.wantHas(t, false, first, second, large)
		if refs, _ := repo.localRefs(t.Context()); len(refs) > 0 {
			t.Errorf("%s: left refs %v", name, refs)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(repo.dir, "objects/pack/*")); len(found) > 0 {
		t.Errorf("left packs: %v", found)
	}
	repo.take(t, full, second)
	repo.wantHas(t, true, first, second)
}

// packWithout lacks the blob of one file.
func (c *clone) packWithout(t *testing.T, commit, file string) []byte {
	t.Helper()
	blob := c.git("rev-parse", commit+":"+file)
	var wanted []string
	for line := range strings.Lines(c.git("rev-list", "--objects", commit)) {
		if hash, _, _ := strings.Cut(strings.TrimSpace(line), " "); hash != blob {
			wanted = append(wanted, hash)
		}
	}
	return c.packOf(t, wanted)
}

// shallowPack is the commit and its tree without what came before.
func (c *clone) shallowPack(t *testing.T, commit string) []byte {
	t.Helper()
	return c.packOf(t, []string{commit, c.git("rev-parse", commit+"^{tree}"), c.git("rev-parse", commit+":a.yml")})
}

func (c *clone) packOf(t *testing.T, objects []string) []byte {
	t.Helper()
	cmd := c.command("pack-objects", "--stdout", "-q")
	cmd.Stdin = strings.NewReader(strings.Join(objects, "\n") + "\n")
	pack, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

func TestHousekeepingKeepsWhatWasTakenIn(t *testing.T) {
	c := workTree(t)
	first := c.commit("a.yml", "a", "first")
	second := c.commit("a.yml", "b", "second")
	repo := newRepository(t)
	rows := map[string]string{"refs/heads/main": first}
	refs := func() map[string]string { return rows }
	repo.take(t, c.pack(first), first)
	repo.take(t, c.pack(second, first), second)
	if err := repo.Sync(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	repo.age(t)
	repo.tidyNow(t)
	repo.wantHas(t, true, first, second)

	rows["refs/heads/main"] = second
	if err := repo.Sync(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	if local, _ := repo.localRefs(t.Context()); len(local) != 1 || local["refs/heads/main"] != second {
		t.Errorf("refs are %v", local)
	}
}

func TestWhatNoRowNamesIsDroppedInTheEnd(t *testing.T) {
	c := workTree(t)
	first := c.commit("a.yml", "a", "first")
	repo := newRepository(t)
	repo.take(t, c.pack(first), first)
	local, err := repo.localRefs(t.Context())
	if err != nil || len(local) != 1 {
		t.Fatalf("refs %v, %v", local, err)
	}
	for ref := range local {
		old := fmt.Sprintf("%s%d-%s", incoming, time.Now().Add(-2*keepIncoming).Unix(), first)
		if _, err := repo.git(t.Context(), "delete "+ref+"\ncreate "+old+" "+first+"\n", "update-ref", "--stdin"); err != nil {
			t.Fatal(err)
		}
	}
	if err := repo.Sync(t.Context(), func() map[string]string { return nil }); err != nil {
		t.Fatal(err)
	}
	repo.age(t)
	repo.tidyNow(t)
	repo.wantHas(t, false, first)
}
