// Package mountstest lends tests file systems in memory: small disks, and what is
// mounted where something else would be removed. Only root may mount.
package mountstest

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// NeedRoot skips a test that cannot run here; in CI that is a failure.
func NeedRoot(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("mounting needs root")
	default:
		t.Skip("mounting needs root")
	}
}

// Mount mounts memory at dir, with options as of tmpfs ("size=64k"). The test's end
// takes it away, if the test has not.
func Mount(t testing.TB, dir, options string) {
	t.Helper()
	if err := unix.Mount("none", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// Resize gives what is mounted at dir other options.
func Resize(t testing.TB, dir, options string) {
	t.Helper()
	if err := unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT, options); err != nil {
		t.Fatal(err)
	}
}
