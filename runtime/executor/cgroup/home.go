package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// leaf is the cgroup of a daemon whose own cgroup was delegated to it: one that
// has processes may not give its controllers to others below it.
const leaf = "daemon"

// Home is the cgroup below which a daemon that runs as this process does makes
// those of its tasks: the given one for root, and for others what was delegated to
// them, which with version 2 alone is safe. With neither it is the given one too,
// and whoever makes a cgroup there is told why not. Nothing is changed.
func (f FS) Home(given string) string {
	if os.Geteuid() == 0 || !f.Unified {
		return given
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return given
	}
	own := ""
	for line := range bytes.Lines(text) {
		if dir, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "0::"); ok {
			own = dir
		}
	}
	if path.Base(own) == leaf {
		own = path.Dir(own)
	}
	if own == "" || unix.Access(filepath.Join(f.Root, own, "cgroup.procs"), unix.W_OK) != nil {
		return given
	}
	return path.Join(own, path.Base(given))
}

// Settle is Home for the daemon itself: tasks can have cgroups there from then on.
// In one that was delegated, this process and whoever shares it move to a leaf.
func (f FS) Settle(given string) string {
	home := f.Home(given)
	if home != given && f.vacate(path.Dir(home)) != nil {
		return given
	}
	return home
}

// vacate moves what lives in a delegated cgroup to a leaf of it.
func (f FS) vacate(own string) error {
	dir := filepath.Join(f.Root, own)
	if err := os.MkdirAll(filepath.Join(dir, leaf), 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, pid := range strings.Fields(string(text)) {
		err := write(filepath.Join(dir, leaf, "cgroup.procs"), pid)
		if err != nil && !errors.Is(err, unix.ESRCH) { // else it has ended meanwhile
			return fmt.Errorf("move process %s: %w", pid, err)
		}
	}
	return nil
}
