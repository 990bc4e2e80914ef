package mounts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
)

// What is mounted below a directory outlives its removal, also where a link leads
// to the directory, and a disk at the directory itself is only emptied.
func TestNothingIsRemovedThroughAMount(t *testing.T) {
	mountstest.NeedRoot(t)
	temp := t.TempDir()
	disk, link := filepath.Join(temp, "disk"), filepath.Join(temp, "link")
	deep, deeper := filepath.Join(disk, "data", "deep"), filepath.Join(disk, "data", "deep", "er")
	for _, dir := range []string{disk, deep, deeper} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		mountstest.Mount(t, dir, "")
	}
	kept := filepath.Join(deep, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(disk, link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{disk, filepath.Join(disk, "data"), filepath.Join(link, "data")} {
		below, err := Below(dir)
		if diff := cmp.Diff([]string{deeper, deep}, below); diff != "" || err != nil {
			t.Errorf("below %s (%v): %s", dir, err, diff)
		}
		err = RemoveAll(dir)
		if want := dir + " stays: something is still mounted at " + deeper + " and " + deep + ": unmount it"; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if _, err := os.Stat(kept); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{deeper, deep} {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveAll(disk); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
		t.Errorf("on the disk are %v, %v", left, err)
	}
}

func TestNothingIsMountedWhereNothingIs(t *testing.T) {
	gone := filepath.Join(t.TempDir(), strings.Repeat("gone/", 3))
	below, err := Below(gone)
	if err != nil || below != nil || RemoveAll(gone) != nil {
		t.Errorf("%v, %v", below, err)
	}
}
