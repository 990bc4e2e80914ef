package containerd

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
	"github.com/swarmgit/swarmgit/specs"
)

// A full disk says nothing about a task, however far it has got when nothing more
// fits: it waits for room, and says so.
func TestFullDisk(t *testing.T) {
	needContainerd(t)
	dir := t.TempDir()
	mountstest.Mount(t, dir, "size=64m")
	_, config := ownContainerdIn(t, dir)
	b := openBench(t, config)
	// waits reports that a task waits when so many bytes are left, and comes when
	// there is room.
	waits := func(image string, room int64) bool {
		t.Helper()
		task := b.task(t, specs.TaskSpec{Image: image, Command: []string{"sleep"}})
		free := fill(t, filepath.Join(dir, "ballast"), room)
		err := b.Prepare(t.Context(), task, nil)
		free()
		if err == nil {
			return false
		}
		if !errors.Is(err, executor.ErrTemporary) || !strings.Contains(err.Error(), "no space left on device") {
			t.Errorf("%d bytes are left: %v", room, err)
		}
		if err := b.Prepare(t.Context(), task, nil); err != nil {
			t.Errorf("there is room again: %v", err)
		}
		if b.keptLimits(task.ID) == "" {
			t.Errorf("%d bytes were left: its limits are not remembered", room)
		}
		return true
	}
	page, steps := int64(os.Getpagesize()), int64(0)
	for waits(b.image, steps*page) {
		steps++
	}
	if steps < 2 {
		t.Errorf("a task fits into %d pages", steps)
	}
	const size = 8 << 20 // of an image, packed or not
	for what, room := range map[string]int64{"packed": size / 2, "unpacked": size * 3 / 2} {
		if !waits(randomImage(t, size), room) {
			t.Errorf("the image fits, %s, into %d bytes", what, room)
		}
	}
}

// randomImage is in a registry. Nothing makes it smaller.
func randomImage(t *testing.T, size int64) string {
	t.Helper()
	content, err := program()
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, size)
	_, _ = rand.Read(noise) // never fails
	img, err := BuildImage(v1.Config{Entrypoint: []string{"/bin/program"}},
		File{Path: "bin/program", Mode: 0o755, Content: content}, File{Path: "noise", Mode: 0o644, Content: noise})
	if err != nil {
		t.Fatal(err)
	}
	return testRegistry(t, img) + ":1"
}

// fill leaves so many bytes on the disk of a file, until it is freed.
func fill(t *testing.T, ballast string, room int64) (free func()) {
	t.Helper()
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	var size int64
	for n := 0; err == nil; size += int64(n) {
		n, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if err := f.Truncate(size - room); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}
