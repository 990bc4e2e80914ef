// Package secrets keeps the secrets and configs of a node's tasks as files, in
// memory only and only while a task needs them. It serves the agent, which has
// the contents from a manager; it refuses a place that is a disk.
//
// # Where they lie
//
// A [Dir] has places to try, best first. As root a place gets a tmpfs of its own,
// not swapped where the kernel can do that, mounted with the first task and
// unmounted after the last. Otherwise a place must be in memory already, as a
// user's runtime directory or /dev/shm is. The directories are 0700; what a task
// sees is shown to it by its executor.
//
// # A task's files
//
// They appear at once and whole: they are written beside and renamed, so a task
// that has a directory has all of its files. A restarted daemon finds them again;
// after a restart of the machine they are gone.
package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// File is one file of a task.
type File struct {
	Content  []byte
	UID, GID uint32 // given if the daemon is root
	Mode     uint32 // permission bits
}

// Dir keeps files in the first of its places that is in memory. It is safe for
// concurrent use on different tasks.
type Dir struct {
	places []string

	mu sync.Mutex // a place is not unmounted while something is written
}

// New returns a Dir over the places, absolute paths of directories that it makes
// and takes away itself. Nothing is touched before the first call of a method.
func New(places ...string) *Dir { return &Dir{places: places} }

// DefaultPlaces are those of the daemon that has this name among those of the
// machine.
func DefaultPlaces(name string) []string {
	places := []string{"/run/swarmgit/secrets-" + name, "/dev/shm/swarmgit-" + name}
	if os.Geteuid() != 0 {
		places = []string{fmt.Sprintf("/dev/shm/swarmgit-%d-%s", os.Geteuid(), name)}
		if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
			places = append([]string{filepath.Join(dir, "swarmgit", "secrets-"+name)}, places...)
		}
	}
	return places
}

// Present lists the places that there are: something was written and not all of
// it is removed.
func (d *Dir) Present() (places []string) {
	for _, place := range d.places {
		if _, err := os.Lstat(place); err == nil {
			places = append(places, place)
		}
	}
	return places
}

// Find returns the paths of the task's files, in the order in which they were
// written; ok is false if there are none.
func (d *Dir) Find(taskID string) (paths []string, ok bool) {
	for _, place := range d.places {
		if private(place) != nil {
			continue // what lies there is not what was written
		}
		entries, err := os.ReadDir(filepath.Join(place, taskID))
		if err != nil {
			continue
		}
		return pathsOf(filepath.Join(place, taskID), len(entries)), true
	}
	return nil, false
}

// Write makes the task's files, unless there are some, and returns their paths.
func (d *Dir) Write(taskID string, files []File) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if paths, ok := d.Find(taskID); ok {
		return paths, nil
	}
	place, err := d.open()
	if err != nil {
		return nil, err
	}
	whole, part := filepath.Join(place, taskID), filepath.Join(place, taskID+partSuffix)
	if err := errors.Join(os.RemoveAll(part), os.Mkdir(part, 0o700)); err != nil {
		return nil, fmt.Errorf("make room for secrets: %w", err)
	}
	for i, path := range pathsOf(part, len(files)) {
		if err := write(path, files[i]); err != nil {
			return nil, errors.Join(fmt.Errorf("write a secret or config into this node's memory: %w", err), os.RemoveAll(part))
		}
	}
	if err := os.Rename(part, whole); err != nil {
		return nil, fmt.Errorf("write secrets: %w", err)
	}
	return pathsOf(whole, len(files)), nil
}

// partSuffix marks files that are being written.
const partSuffix = ".part"

// pathsOf are the paths of n files: their names tell nothing.
func pathsOf(dir string, n int) []string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = filepath.Join(dir, strconv.Itoa(i))
	}
	return paths
}

func write(path string, f File) error {
	if err := os.WriteFile(path, f.Content, 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, int(f.UID), int(f.GID)); err != nil {
			return err
		}
	}
	return os.Chmod(path, fs.FileMode(f.Mode)&fs.ModePerm)
}

// Remove takes the task's files away; nil if there are none.
func (d *Dir) Remove(taskID string) error {
	return d.keep(func(id string) bool { return id != taskID })
}

// Keep takes the files of all tasks away that are not known.
func (d *Dir) Keep(known func(taskID string) bool) error { return d.keep(known) }

// Clear takes everything away.
func (d *Dir) Clear() error { return d.keep(func(string) bool { return false }) }

func (d *Dir) keep(wanted func(taskID string) bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, place := range d.places {
		if private(place) != nil {
			continue // nothing was ever written there
		}
		entries, err := os.ReadDir(place)
		if err != nil {
			errs = append(errs, fmt.Errorf("remove secrets: %w", err))
			continue
		}
		left := 0
		for _, e := range entries {
			if wanted(strings.TrimSuffix(e.Name(), partSuffix)) {
				left++
			} else if err := os.RemoveAll(filepath.Join(place, e.Name())); err != nil {
				errs = append(errs, fmt.Errorf("remove secrets: %w", err))
				left++
			}
		}
		if left == 0 {
			errs = append(errs, leave(place))
		}
	}
	return errors.Join(errs...)
}

// open returns the first place that is in memory. The mutex is held.
func (d *Dir) open() (string, error) {
	var errs []error
	for _, place := range d.places {
		err := enter(place)
		if err == nil {
			return place, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return "", errors.New("this node has no memory for secrets and configs")
	}
	return "", fmt.Errorf("this node has no memory for secrets and configs: %w", errors.Join(errs...))
}

// enter makes the place a directory in memory that nobody else reaches.
func enter(place string) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(place, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := private(place); err != nil {
		return err
	}
	if os.Geteuid() == 0 && !mounted(place) && mount(place) == nil {
		return nil
	}
	return inMemory(place)
}

// private is nil for a directory that nobody else reaches. A place may be in a
// directory of everybody's: another user's, or a symbolic link, is not ours to
// read, and not ours to clear.
func private(place string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(place, &stat); err != nil {
		return &fs.PathError{Op: "look at", Path: place, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || int(stat.Uid) != os.Geteuid() || stat.Mode&0o077 != 0 {
		return fmt.Errorf("%s is not a directory of this user alone: remove it", place)
	}
	return nil
}

// leave gives an empty place back.
func leave(place string) error {
	if mounted(place) {
		if err := unix.Unmount(place, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", place, err)
		}
	}
	if err := os.Remove(place); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(filepath.Dir(place)) // if nothing else is there
	return nil
}

// mounted reports that the directory is where something is mounted.
func mounted(place string) bool {
	var here, above unix.Stat_t
	return unix.Stat(place, &here) == nil && unix.Stat(filepath.Dir(place), &above) == nil && here.Dev != above.Dev
}

// mount puts a tmpfs there: never on swap, where the kernel can do that.
func mount(place string) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	err := unix.Mount("swarmgit-secrets", place, "tmpfs", flags, "mode=0700,noswap")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("swarmgit-secrets", place, "tmpfs", flags, "mode=0700")
	}
	return err
}

func inMemory(place string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(place, &stat); err != nil {
		return &fs.PathError{Op: "look at", Path: place, Err: err}
	}
	if stat.Type != unix.TMPFS_MAGIC && stat.Type != unix.RAMFS_MAGIC {
		return fmt.Errorf("%s is on a disk", place)
	}
	return nil
}
