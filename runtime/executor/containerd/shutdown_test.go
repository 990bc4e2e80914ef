package containerd

import (
	"os"
	"path/filepath"
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

func mountTmpfs(t *testing.T, path string) {
	t.Helper()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, 0) }) // it may be gone
}
