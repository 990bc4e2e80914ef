package containerd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// A containerd that has much to say for a year does not fill the disk: its log is
// cut while it writes, and says last what it said last.
func TestTheLogIsCutWhileContainerdRuns(t *testing.T) {
	dir := t.TempDir()
	m, err := NewManaged(ManagedConfig{DataDir: dir, RunDir: filepath.Join(dir, "run"), Log: testLog()})
	if err != nil {
		t.Fatal(err)
	}
	m.logPeriod = 10 * time.Millisecond
	out, err := openLog(m.LogPath())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	writer := exec.CommandContext(t.Context(), "cat")
	writer.Stdout = out
	input, err := writer.StdinPipe()
	if err == nil {
		err = writer.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Wait() }()
	defer input.Close()
	found, err := procfs.LookUp(writer.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	m.process = found.Process
	defer supervise(t, m)()

	line := strings.Repeat("x", 1000)
	for i := range 2 * maxLog / len(line) {
		if _, err := fmt.Fprintf(input, "%d %s\n", i, line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fprintln(input, "the last word"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var text []byte
	for whole := false; !whole; whole = len(text) <= maxLog && bytes.Contains(text, []byte("the last word\n")) {
		if err := bell.Sleep(ctx, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if text, err = os.ReadFile(m.LogPath()); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Contains(text, []byte("MiB of older lines were cut)\n")) || bytes.IndexByte(text, 0) >= 0 {
		t.Errorf("of a log of %d bytes the beginning is %.100q", len(text), text)
	}
}

func TestALogIsCutAtItsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	half := strings.Repeat("y", keptLog/2)
	if err := os.WriteFile(path, []byte(strings.Repeat("x", maxLog)+"\n"+half+"\nlast\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := shorten(path); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if want := "(9 MiB of older lines were cut)\n" + half + "\nlast\n"; err != nil || string(text) != want {
			t.Errorf("left are %d bytes, not %d, %v: %.60q", len(text), len(want), err, text)
		}
	}
}
