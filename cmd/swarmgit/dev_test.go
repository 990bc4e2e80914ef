package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Whoever has an account on the machine sees the arguments of git.
func TestDevShowsItsTokenToGitAlone(t *testing.T) {
	dir := t.TempDir()
	f := &follower{worktree: dir, gitDir: filepath.Join(dir, "git")}
	if _, err := f.git(t.Context(), "init", "--quiet"); err != nil {
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

// What a person has set for repositories of his own is not asked: a key to sign with,
// hooks.
func TestDevCommitsInAnyHome(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	put(t, home, "gitconfig", "[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n[core]\n\thooksPath = "+home+"\n")
	put(t, home, "pre-commit", "#!/bin/sh\nexit 1\n")
	if err := os.Chmod(filepath.Join(home, "pre-commit"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, "gitconfig"))
	put(t, dir, "stack.yml", "services: {}")
	f := &follower{worktree: dir, gitDir: filepath.Join(home, "git")}
	if _, err := f.git(t.Context(), "init", "--quiet"); err != nil {
		t.Fatal(err)
	}
	if tree, err := f.tree(t.Context()); err != nil || len(tree) != 40 {
		t.Fatalf("%s, %v", tree, err)
	}
	if err := f.commit(t.Context()); err != nil {
		t.Error(err)
	}
}

// A working tree that cannot be read for a moment is none that nobody follows any
// more.
func TestDevTellsTroubleOnce(t *testing.T) {
	var said strings.Builder
	f := &follower{c: new(cobra.Command), node: new(node)}
	f.c.SetErr(&said)
	if f.manager() != nil {
		t.Error("a node that is no manager is pushed to")
	}
	for _, err := range []error{errors.New("a"), errors.New("a"), nil, errors.New("a"), errors.New("b"), nil} {
		f.tell(t.Context(), err)
	}
	if want := "swarmgit: a: it is tried again\nswarmgit: a: it is tried again\nswarmgit: b: it is tried again\n"; said.String() != want {
		t.Errorf("got %q", said.String())
	}
}
