package logkeeper

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
)

// smallDisk mounts 1 MiB of memory.
func smallDisk(t *testing.T) string {
	t.Helper()
	mountstest.NeedRoot(t)
	dir, err := os.MkdirTemp("", "keeper")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	mountstest.Mount(t, dir, "size=1m,mode=0700")
	return dir
}

// A full disk stops no task; what was dropped is counted, and told once there
// is room, whether or not the task writes more.
func TestFullDisk(t *testing.T) {
	c := clientOf(t, smallDisk(t))
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(c.Dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	k := open(t, c, "t1")
	const lines = 14_000 // of 58 bytes as records: they fit only without the ballast
	for i := range lines {
		k.say(k.out, fmt.Sprintf("this is line %05d\n", i)) // would block if nobody read
	}
	awaitEmpty(t, k.out) // the keeper has read it, and
	k.say(k.out, "and half a ")
	awaitEmpty(t, k.out) // tried to write it
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	awaitText(t, c, "t1", "swarmgit: ")
	k.say(k.out, "line\n")
	k.finish()

	got := k.read(ReadOptions{Tail: -1})
	kept, dropped, size, notices := 0, 0, 0, 0
	for _, line := range got {
		switch {
		case strings.HasPrefix(line, "o:this is line "):
			kept++
		case strings.HasPrefix(line, "e:swarmgit: "):
			var n, b int
			if _, err := fmt.Sscanf(line, "e:swarmgit: dropped %d lines (%d bytes) of this log here: no space left on device", &n, &b); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			dropped, size, notices = dropped+n, size+b, notices+1
		}
	}
	if kept == 0 || notices == 0 || kept+dropped != lines {
		t.Errorf("%d kept + %d dropped in %d notices are not %d lines", kept, dropped, notices, lines)
	}
	if lost := len("this is line 00000\n") * dropped; size != lost && size != lost+len("and half a ") {
		t.Errorf("%d bytes dropped, want %d or a little more", size, lost)
	}
	if last := got[len(got)-1]; last != "o:line" && last != "o:and half a line" {
		t.Errorf("the last line is %q", last)
	}
}

// awaitEmpty waits until the keeper has read what is in the FIFO.
func awaitEmpty(t testing.TB, fifo *os.File) {
	t.Helper()
	eventually(t, func() bool {
		waiting, err := unix.IoctlGetInt(int(fifo.Fd()), unix.TIOCINQ)
		return err == nil && waiting == 0
	})
}

// A task that has lines cut off by a full disk does not have them joined to
// what comes later.
func TestGapEndsALine(t *testing.T) {
	c := clientOf(t, t.TempDir())
	w := newWritten(t, c.Dir, "t1")
	w.say(stdout, "half")
	w.mu.Lock()
	w.drop([]byte(strings.Repeat("x", tagAt)+"F of it\n"), unix.ENOSPC)
	w.mu.Unlock()
	w.say(stdout, "next\n")
	same(t, texts(t, c, "t1", ReadOptions{Tail: -1}), "o:half",
		"e:swarmgit: dropped 1 line (6 bytes) of this log here: no space left on device", "o:next")
}
