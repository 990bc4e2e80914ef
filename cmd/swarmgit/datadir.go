package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/identity"
)

// Names in a data directory.
const (
	// lockName is the file that says that a directory is a data directory. It is the
	// last that an uninstall removes.
	lockName = "lock"
	// identityName is the last but one: it says that all that may be there is ours.
	identityName = "identity"
	// containerdName and containerdLog are the private containerd's.
	containerdName = "containerd"
	containerdLog  = "containerd.log"
)

// clusterState are the names in a data directory of what a node knows of its
// cluster and its tasks.
var clusterState = []string{"raft", "git", "agent", "executor", "processes", "logs"}

// wholeFiles are the names that are written by writeWhole.
var wholeFiles = []string{filepath.Base(firstPath("")), filepath.Base(settingsPath(""))}

// identityDir is where a node keeps who it is.
func identityDir(dataDir string) string { return filepath.Join(dataDir, identityName) }

// firstPath is where the beginning of a cluster lies until its managers have it.
func firstPath(dataDir string) string { return filepath.Join(dataDir, "first.json") }

// settingsPath is where a node keeps the flags of its daemon.
func settingsPath(dataDir string) string { return filepath.Join(dataDir, "settings.json") }

// hasContainerd reports whether the node has had a private containerd.
func hasContainerd(dataDir string) bool {
	_, err := os.Stat(filepath.Join(dataDir, containerdName))
	return err == nil
}

// checkUnused refuses a directory of a machine that is no node yet in which something
// lies under a name of ours: a node would take it for its own, and remove it when it
// leaves. A private containerd stays when a node leaves, and its log tells it.
func checkUnused(dataDir string) error {
	names := clusterState
	if _, err := os.Lstat(filepath.Join(dataDir, containerdLog)); err != nil {
		names = append(slices.Clone(names), containerdName)
	}
	for _, name := range names {
		path := filepath.Join(dataDir, name)
		switch _, err := os.Lstat(path); {
		case err == nil:
			return fmt.Errorf("make a node in %s: it has no node's identity, but there is %s, which the node would use, and remove when it leaves: give another --data-dir, or move that away", dataDir, path)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("make a node in %s: %w", dataDir, err)
		}
	}
	return nil
}

// mayUse refuses a data directory of another user, before anything in it is missed.
func mayUse(dataDir string) error {
	if err := unix.Access(dataDir, unix.R_OK|unix.W_OK|unix.X_OK); errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the data directory %s belongs to another user: use sudo, or give another --data-dir", dataDir)
	}
	return nil
}

// lockDataDir keeps others out of the directory until the file is closed.
func lockDataDir(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close() // nothing was written
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data directory %s: %w: its file system must have flock(2)", dir, err)
		}
		return nil, fmt.Errorf("the data directory %s %w: stop that one, or give another --data-dir", dir, errInUse)
	}
	return lock, nil
}

// errInUse says that a data directory is locked.
var errInUse = errors.New("is in use by another daemon")

// writeWhole replaces a file of a data directory in one step: it holds all of text
// and is on disk, or it is as it was.
func writeWhole(path string, text []byte) error {
	next := path + newSuffix
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return identity.SyncDir(filepath.Dir(path))
}

// newSuffix is the end of the name of a file that is not whole yet.
const newSuffix = ".new"
