package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever has an account on the machine sees the arguments of git.
func TestDevShowsItsTokenToGitAlone(t *testing.T) {
	dir := t.TempDir()
	f := &follower{worktree: dir, gitDir: filepath.Join(dir, "git")}
	if err := f.git(t.Context(), "init", "--quiet"); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"swarmgit-1-first", "swarmgit-1-second"} {
		args, err := f.show(token)
		if err != nil || strings.Contains(strings.Join(args, " "), token) {
			t.Errorf("the arguments are %q (%v)", args, err)
		}
		got, err := f.command(t.Context(), append(args, "config", "--get-all", "http.extraHeader")...).Output()
		if want := "Authorization: Bearer " + token + "\n"; err != nil || string(got) != want {
			t.Errorf("git shows %q (%v), want %q", got, err, want)
		}
	}
	if info, err := os.Stat(filepath.Join(f.gitDir, "token")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
}
