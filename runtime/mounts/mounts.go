// Package mounts answers what is mounted below a directory, and removes
// directories without what is mounted in them. It serves whoever clears up after
// tasks; it mounts nothing and unmounts nothing.
package mounts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Below lists where something is mounted below dir, children first. Links on the
// way to dir are followed. dir itself is not listed: it may be a disk of the
// operator's. A dir that does not exist has nothing.
func Below(dir string) ([]string, error) {
	at, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var found []*mountinfo.Info
	if err == nil {
		found, err = mountinfo.GetMounts(mountinfo.PrefixFilter(at))
	}
	if err != nil {
		return nil, fmt.Errorf("list mounts below %s: %w", dir, err)
	}
	var below []string
	for _, m := range found {
		if m.Mountpoint != at {
			below = append(below, m.Mountpoint)
		}
	}
	slices.SortFunc(below, func(a, b string) int { return strings.Compare(b, a) })
	return below, nil
}

// RemoveAll removes dir with all that is in it, nil if it does not exist. If
// something is mounted below it nothing is removed: what is mounted is not ours to
// delete. A dir that is a mount point itself is emptied and stays.
func RemoveAll(dir string) error {
	below, err := Below(dir)
	if err != nil {
		return err
	}
	if len(below) > 0 {
		return fmt.Errorf("%s stays: something is still mounted at %s: unmount it", dir, strings.Join(below, " and "))
	}
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, unix.EBUSY) {
		return err
	}
	return nil
}
