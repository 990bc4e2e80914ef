package secrets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
)

func files() []File {
	return []File{{Path: "0", Content: []byte("one"), Mode: 0o444}, {Path: "deep/er", Content: []byte("two"), UID: new(uint32(33)), GID: new(uint32(34)), Mode: 0o400}}
}

// put gives a task its files.
func put(d *Dir, taskID string, files []File) (dir string, err error) {
	if dir, err = d.Room(taskID); err == nil {
		err = d.Write(dir, files)
	}
	return dir, err
}

func perm(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func wantGone(t *testing.T, place string) {
	t.Helper()
	if _, err := os.Stat(place); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", place, err)
	}
}

func TestFilesLieInMemoryWhileATaskNeedsThem(t *testing.T) {
	mountstest.NeedRoot(t)
	place := filepath.Join(t.TempDir(), "run", "secrets")
	if err := os.Mkdir(filepath.Dir(place), 0o700); err != nil {
		t.Fatal(err)
	}
	d := New(place)
	t.Cleanup(func() { _ = d.Clear() })
	if _, ok := d.Find("t1"); ok {
		t.Error("files are found before there are any")
	}
	dir, err := put(d, "t1", files())
	if err != nil {
		t.Fatal(err)
	}
	if err := inMemory(place); err != nil || !mounted(place) {
		t.Errorf("the place is on a disk: %v", err)
	}
	for _, want := range files() {
		path := filepath.Join(dir, want.Path)
		content, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err := errors.Join(err, statErr); err != nil {
			t.Fatal(err)
		}
		is := info.Sys().(*syscall.Stat_t)
		if string(content) != string(want.Content) || info.Mode().Perm() != os.FileMode(want.Mode) || int(is.Uid) != owner(want.UID) || int(is.Gid) != owner(want.GID) {
			t.Errorf("%s: %q %s %d:%d, want %+v", path, content, info.Mode(), is.Uid, is.Gid, want)
		}
	}
	// Whoever is given the task's directory gets there, and sees nothing else.
	for path, want := range map[string]os.FileMode{filepath.Dir(place): 0o711, place: 0o711, dir: 0o700, filepath.Join(dir, "deep"): 0o700} {
		if got := perm(t, path); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}

	// A restarted daemon finds them, and what it would write does not count.
	again := New(place)
	found, ok := again.Find("t1")
	err = again.Write(found, []File{{Path: "0", Content: []byte("other"), Mode: 0o444}})
	content, readErr := os.ReadFile(filepath.Join(found, "0"))
	if err := errors.Join(err, readErr); !ok || err != nil || found != dir || string(content) != "one" {
		t.Errorf("found %q in %s, %v; want %s", content, found, err, dir)
	}
	if _, err := put(again, "t2", files()); err != nil {
		t.Fatal(err)
	}
	if err := again.Remove("t1"); err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Find("t1"); ok {
		t.Error("removed files are found")
	}
	if _, ok := again.Find("t2"); !ok || !mounted(place) {
		t.Error("another task's files are gone too")
	}
	if err := errors.Join(again.Remove("t2"), again.Remove("t2")); err != nil {
		t.Error(err)
	}
	wantGone(t, place)
}

// TestAKilledDaemonLeavesNoHalf writes over what a kill left, and gives up what
// no task has.
func TestAKilledDaemonLeavesNoHalf(t *testing.T) {
	mountstest.NeedRoot(t)
	place := filepath.Join(t.TempDir(), "secrets")
	d := New(place)
	t.Cleanup(func() { _ = d.Clear() })
	for _, id := range []string{"gone", "kept"} {
		if _, err := put(d, id, files()); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"t1", "gone2"} {
		if err := errors.Join(os.Mkdir(filepath.Join(place, id+partSuffix), 0o700),
			os.WriteFile(filepath.Join(place, id+partSuffix, "0"), []byte("ha"), 0o400)); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := d.Find("t1"); ok {
		t.Error("half of the files are found")
	}
	dir, err := put(d, "t1", files())
	if err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "0")); err != nil || string(content) != "one" {
		t.Errorf("%q, %v", content, err)
	}
	if err := d.Keep(func(id string) bool { return id == "kept" || id == "t1" }); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(place)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v are left; want kept and t1", entries, err)
	}
	if err := d.Clear(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, place)
}

func TestAFullMemoryIsSaidAndLeavesNothing(t *testing.T) {
	mountstest.NeedRoot(t)
	place := filepath.Join(t.TempDir(), "secrets")
	if err := os.Mkdir(place, 0o700); err != nil {
		t.Fatal(err)
	}
	mountstest.Mount(t, place, "mode=0700,size=64k")
	d := New(place)
	t.Cleanup(func() { _ = d.Clear() })
	_, err := put(d, "t1", []File{{Path: "0", Content: make([]byte, 1<<20), Mode: 0o444}})
	if err == nil || !strings.Contains(err.Error(), "into this node's memory") || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(place); err != nil || len(entries) > 0 {
		t.Errorf("%v is left, %v", entries, err)
	}
	if _, err := put(d, "t1", files()); err != nil {
		t.Errorf("what fits is refused: %v", err)
	}
}

// TestPlacesOfAUser are taken as they come, and never on a disk or where another
// user has been before.
func TestPlacesOfAUser(t *testing.T) {
	disk, shm := t.TempDir(), "/dev/shm/swarmgit-test-"+fmt.Sprint(os.Getpid())
	if inMemory(disk) == nil {
		t.Skip("the temporary directory is in memory")
	}
	if err := inMemory("/dev/shm"); err != nil {
		t.Skip(err)
	}
	open := filepath.Join(shm, "open")
	if err := os.MkdirAll(open, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(shm) })
	if err := enter(open); err == nil || !strings.Contains(err.Error(), "not a directory of this user alone") {
		t.Errorf("a place that others reach: %v", err)
	}
	if err := os.Symlink(disk, filepath.Join(shm, "link")); err != nil {
		t.Fatal(err)
	}
	if err := enter(filepath.Join(shm, "link")); err == nil {
		t.Error("a place that is a link is taken")
	}
	if os.Geteuid() == 0 {
		return // root has a tmpfs of its own anywhere
	}
	d := New(filepath.Join(disk, "a"), filepath.Join(shm, "mine"))
	dir, err := put(d, "t1", files())
	if err != nil || !strings.HasPrefix(dir, shm) {
		t.Errorf("%v, %v", dir, err)
	}
	// The task, which is the same user, may have taken rights away.
	if err := errors.Join(os.Chmod(filepath.Join(dir, "deep"), 0), os.Chmod(dir, 0o500), d.Remove("t1")); err != nil {
		t.Error(err)
	}
	wantGone(t, filepath.Join(shm, "mine"))
	if _, err := put(New(filepath.Join(disk, "b")), "t1", files()); err == nil || !strings.Contains(err.Error(), "is on a disk") {
		t.Errorf("a disk is taken: %v", err)
	}
}

// A place may lie where everybody may write.
func TestWhatIsAnothersIsNeitherReadNorCleared(t *testing.T) {
	place, target := filepath.Join(t.TempDir(), "link"), filepath.Join(t.TempDir(), "target")
	theirs := filepath.Join(target, "task", "0")
	if err := errors.Join(os.MkdirAll(filepath.Dir(theirs), 0o700), os.WriteFile(theirs, nil, 0o600), os.Symlink(target, place)); err != nil {
		t.Fatal(err)
	}
	d := New(place)
	if dir, ok := d.Find("task"); ok {
		t.Errorf("%q is taken for the task's", dir)
	}
	if err := d.Clear(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("what a link leads to is cleared: %v", err)
	}
}

// What was asked for and not used is given back, and what was given back is made
// again for who uses it.
func TestRoomIsGivenBack(t *testing.T) {
	mountstest.NeedRoot(t)
	place := filepath.Join(t.TempDir(), "secrets")
	d := New(place)
	t.Cleanup(func() { _ = d.Clear() })
	dir, err := d.Room("t1")
	if err != nil || !mounted(place) {
		t.Fatal(dir, err)
	}
	if err := d.Remove("other"); err != nil {
		t.Fatal(err)
	}
	wantGone(t, place)
	if err := d.Write(dir, files()); err != nil { // another task's end took the place away meanwhile
		t.Fatal(err)
	}
	for _, path := range []string{"../out", "/tmp/out"} {
		if err := d.Write(filepath.Join(place, "t2"), []File{{Path: path}}); err == nil {
			t.Errorf("%s is written outside of the task's directory", path)
		}
	}
	if err := d.Remove("t1"); err != nil {
		t.Fatal(err)
	}
	wantGone(t, place)
}
