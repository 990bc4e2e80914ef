package containerd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// A data directory may be a disk of its own: only what is mounted in it goes.
func TestTheDiskUnderTheDataStays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	disk := t.TempDir()
	inside := filepath.Join(disk, "a", "b")
	mountTmpfs(t, disk)
	if err := os.MkdirAll(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	mountTmpfs(t, inside)
	if err := unmountBelow(disk); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{disk: true, inside: false} {
		if mounted, err := mountinfo.Mounted(path); err != nil || mounted != want {
			t.Errorf("%s mounted: %t, %v", path, mounted, err)
		}
	}
}

// What cannot be unmounted is not deleted: it stays, is named, and goes when nobody
// uses it any more.
func TestShutdownRemovesNothingThroughAMount(t *testing.T) {
	m, _ := ownContainerd(t)
	disk := filepath.Join(m.state(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	mountTmpfs(t, disk)
	used, err := os.Create(filepath.Join(disk, "used"))
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	ctx, cancel := withTimeout()
	defer cancel()
	err = m.Shutdown(ctx)
	for _, words := range []string{"unmount " + disk + ": device or resource busy", m.config.RunDir + " stays: something is still mounted at " + disk} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("it says %v, not %s", err, words)
		}
	}
	if _, err := os.Stat(used.Name()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(used.Close(), m.Shutdown(ctx)); err != nil || m.HasRun() {
		t.Errorf("when nobody uses it any more: %v, is there: %t", err, m.HasRun())
	}
}

func mountTmpfs(t *testing.T, path string) {
	t.Helper()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, 0) }) // it may be gone
}
