package consensus

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The names of the log, of the stable store and of the snapshots are on disk before
// anything is written: whoever waits for that opens their directory, after they are
// made.
func TestNamesAreSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "raft")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	events := watch(t, dir, unix.IN_CREATE|unix.IN_OPEN)
	s, err := openDisk(dir, raftLog(slog.New(slog.DiscardHandler)))
	if err := errors.Join(err, s.close()); err != nil {
		t.Fatal(err)
	}
	names := events()
	opened := slices.Index(names, "") // the directory itself has none
	for _, made := range []string{"wal", "stable.db", "snapshots"} {
		if at := slices.Index(names, made); at < 0 || opened < at {
			t.Errorf("%s is made and its directory is not opened after that: %q", made, names)
		}
	}
}

// watch returns what is told of a directory: the names of what something happened to.
func watch(t *testing.T, dir string, mask uint32) (events func() []string) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, dir, mask); err != nil {
		t.Fatal(err)
	}
	return func() (names []string) {
		buf := make([]byte, 64<<10)
		n, err := unix.Read(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		for buf = buf[:n]; len(buf) > 0; {
			const length = 12 // where the length of the name is
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[length:]))
			names = append(names, strings.TrimRight(string(buf[unix.SizeofInotifyEvent:end]), "\x00"))
			buf = buf[end:]
		}
		return names
	}
}
