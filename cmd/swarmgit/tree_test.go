package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// put writes a file below dir, with the folders that it needs.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// inGit runs git in dir, alone with the repository's own configuration.
func inGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	c := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=ana", "-c", "user.email=ana@example"}, args...)...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimRight(string(out), "\n")
}

// unzip lists what an archive holds; a link reads as "-> target".
func unzip(t *testing.T, data []byte) map[string]string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
		if f.Mode()&fs.ModeSymlink != 0 {
			files[f.Name] = "-> " + string(text)
		}
	}
	return files
}

func wantTree(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	data, err := zipTree(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, unzip(t, data)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestZipTreeIsWhatACommitWouldHold(t *testing.T) {
	dir := t.TempDir()
	inGit(t, dir, "init", "-q")
	put(t, dir, "stacks/shop/stack.yml", "committed")
	put(t, dir, "gone.yml", "committed")
	put(t, dir, ".gitignore", "*.log\nsecret\n")
	inGit(t, dir, "add", "-A")
	inGit(t, dir, "commit", "-q", "-m", "first")
	put(t, dir, "stacks/shop/stack.yml", "edited")
	put(t, dir, "stacks/shop/ü ä.env", "new, and an odd name")
	put(t, dir, "noise.log", "ignored")
	put(t, dir, "secret/key", "ignored")
	if err := os.Remove(filepath.Join(dir, "gone.yml")); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"stacks/link": "shop", "outside": "/etc/passwd"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	put(t, dir, "nested/file", "of another repository")
	inGit(t, filepath.Join(dir, "nested"), "init", "-q")

	wantTree(t, dir, map[string]string{
		".gitignore": "*.log\nsecret\n", "stacks/shop/stack.yml": "edited", "stacks/shop/ü ä.env": "new, and an odd name",
		"stacks/link": "-> shop", "outside": "-> /etc/passwd",
	})
	wantTree(t, filepath.Join(dir, "stacks", "shop"), map[string]string{"stack.yml": "edited", "ü ä.env": "new, and an odd name"})
}

func TestZipTreeOfAPlainDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	put(t, dir, "stacks/shop/stack.yml", "a")
	put(t, dir, "noise.log", "b")
	put(t, dir, ".git/not-a-repository", "c")
	if err := os.Symlink("stacks", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, map[string]string{"stacks/shop/stack.yml": "a", "noise.log": "b", "link": "-> stacks"})
}

func TestZipTreeRefusesWhatIsTooLarge(t *testing.T) {
	dir := t.TempDir()
	large, err := os.Create(filepath.Join(dir, "image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := large.Truncate(int64(maxTree) + 1); err != nil { // it would compress to nothing
		t.Fatal(err)
	}
	_ = large.Close()
	if _, err := zipTree(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "image.tar is larger than 32M: keep other files elsewhere") {
		t.Errorf("one file: %v", err)
	}

	dir = t.TempDir()
	noise := make([]byte, maxTree/2) // does not compress
	_, _ = rand.Read(noise)
	for _, name := range []string{"a", "b", "c"} {
		put(t, dir, name, string(noise))
	}
	if _, err := zipTree(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "it is larger than 32M: keep other files elsewhere") {
		t.Errorf("many files: %v", err)
	}
}

func TestZipTreeOfNothing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := zipTree(t.Context(), missing); err == nil || !strings.HasPrefix(err.Error(), "read the working tree "+missing) {
		t.Errorf("got %v", err)
	}
}

// TestZipTreeOfSomebodyElsesRepository: where Git does not say what is ignored,
// nothing is sent.
func TestZipTreeOfSomebodyElsesRepository(t *testing.T) {
	dir := t.TempDir()
	inGit(t, dir, "init", "-q")
	put(t, dir, ".gitignore", "secret\n")
	put(t, dir, "secret", "key")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	if _, err := zipTree(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "dubious ownership") ||
		!strings.Contains(err.Error(), "git config --global --add safe.directory") {
		t.Errorf("somebody else's: %v", err)
	}
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "0")
	put(t, dir, ".git/config", "[broken")
	if _, err := zipTree(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "git ls-files: fatal: bad config") {
		t.Errorf("broken: %v", err)
	}
}

// Words decide what git has found; they are English in every locale.
func TestOutsideOfARepositoryInAnyLocale(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\nwords='kein Git-Repository'\n[ \"$LC_ALL\" = C ] && words='not a git repository'\necho \"fatal: $words\" >&2\nexit 128\n"
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	if _, err := openLocal(t.Context(), dir); err == nil || !strings.Contains(err.Error(), dir+" is not in a Git repository") {
		t.Errorf("got %v", err)
	}
	put(t, dir, "stack.yml", "services: {}")
	wantTree(t, dir, map[string]string{"stack.yml": "services: {}"})
	t.Setenv("PATH", dir)
	if _, err := openLocal(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "install git") {
		t.Errorf("without git: %v", err)
	}
}

func TestALongWalkEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	t.Setenv("PATH", t.TempDir())
	if _, err := treeFiles(ctx, "/"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
