package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Another user who makes the directory in /tmp first would be asked in the daemon's
// place, and told secrets.
func TestSocketOfAnotherUser(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", temp)
	own, writable, link := filepath.Join(temp, "own"), filepath.Join(temp, "writable"), filepath.Join(temp, "link")
	for dir, mode := range map[string]os.FileMode{own: 0o711, writable: 0o777} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	for dir, good := range map[string]bool{own: true, writable: false, link: false, filepath.Join(temp, "none"): false} {
		if err := ownDir(dir); (err == nil) != good {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(own, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if ownDir(own) == nil {
			t.Error("a directory of another user is taken for one of this user")
		}
		return // root's directory is in /run, where nobody else makes one
	}
	if err := os.Rename(writable, filepath.Join(temp, "swarmgit")); err != nil {
		t.Fatal(err)
	}
	if _, err := (&options{}).socket(); err == nil {
		t.Error("the command line goes to a socket that may be another user's")
	}
	if err := socketDir(runtimeDir()); err == nil {
		t.Error("the daemon listens where another user can put another socket")
	}
}
