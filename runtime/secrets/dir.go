// Package secrets keeps the secrets and configs of a node's tasks as files, in
// memory only and only while a task needs them. It serves the agent, which has
// the contents from a manager; it refuses a place that is a disk.
//
// # Where they lie
//
// A [Dir] has places to try, best first. As root a place gets a tmpfs of its own,
// not swapped where the kernel can do that, mounted with the first task and
// unmounted after the last. Otherwise a place must be in memory already, as a
// user's runtime directory or /dev/shm is. Nobody else looks around in a place. A
// task's own directory in it is 0700 and the daemon's; what a task sees is shown to
// it by its executor, which may also give the directory to the task's user: of
// root's places the way there is open to who knows it.
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
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// File is one file of a task.
type File struct {
	Path     string // below the task's directory
	Content  []byte
	UID, GID *uint32 // given if the daemon is root; nil is its own
	Mode     uint32  // permission bits
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

// Find returns the task's directory; ok is false if it has no files.
func (d *Dir) Find(taskID string) (dir string, ok bool) {
	for _, place := range d.places {
		if private(place) != nil {
			continue // what lies there is not what was written
		}
		dir := filepath.Join(place, taskID)
		if _, err := os.Lstat(dir); err == nil {
			return dir, true
		}
	}
	return "", false
}

// Room returns the directory that a task without files can have. Nothing is in it
// yet; Remove gives it back.
func (d *Dir) Room(taskID string) (dir string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	place, err := d.open()
	return filepath.Join(place, taskID), err
}

// Write makes a task's files in the directory that Find or Room has named, unless
// there are some.
func (d *Dir) Write(dir string, files []File) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := enter(filepath.Dir(dir)); err != nil { // it may have been left meanwhile
		return noMemory(err)
	}
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	part := dir + partSuffix
	if err := errors.Join(removeAll(part), os.Mkdir(part, 0o700)); err != nil {
		return fmt.Errorf("make room for secrets: %w", err)
	}
	if err := write(part, files); err != nil {
		return errors.Join(fmt.Errorf("write a secret or config into this node's memory: %w", err), removeAll(part))
	}
	if err := os.Rename(part, dir); err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	return nil
}

// partSuffix marks files that are being written.
const partSuffix = ".part"

func write(dir string, files []File) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range files {
		if err := writeFile(root, f); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(root *os.Root, f File) error {
	if err := root.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return err
	}
	if err := root.WriteFile(f.Path, f.Content, 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := root.Chown(f.Path, owner(f.UID), owner(f.GID)); err != nil {
			return err
		}
	}
	return root.Chmod(f.Path, fs.FileMode(f.Mode)&fs.ModePerm)
}

func owner(id *uint32) int {
	if id == nil {
		return 0
	}
	return int(*id)
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
			} else if err := removeAll(filepath.Join(place, e.Name())); err != nil {
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
	return "", noMemory(errors.Join(errs...))
}

// noMemory is that there is no place, and why.
func noMemory(why error) error {
	const words = "this node has no memory for secrets and configs"
	if why == nil {
		return errors.New(words)
	}
	return fmt.Errorf(words+": %w", why)
}

// removeAll removes a task's directory, also if the task has taken from itself,
// and so from a daemon of the same user, the right to.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || os.Geteuid() == 0 {
		return err
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, _ error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700) // what it does not help to is told below
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// enter makes the place a directory in memory that nobody else looks around in.
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
	if os.Geteuid() == 0 {
		if !mounted(place) {
			_ = mount(place) // whether it is in memory is seen below
		}
		if err := errors.Join(letThrough(filepath.Dir(place)), letThrough(place)); err != nil {
			return err
		}
	}
	return inMemory(place)
}

// letThrough opens the directory to whoever knows what is in it.
func letThrough(dir string) error {
	const through = 0o111
	info, err := os.Stat(dir)
	if err != nil || info.Mode()&through == through {
		return err
	}
	return os.Chmod(dir, info.Mode()|through)
}

// private is nil for a directory that nobody else looks around in. A place may be in a
// directory of everybody's: another user's, or a symbolic link, is not ours to
// read, and not ours to clear.
func private(place string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(place, &stat); err != nil {
		return &fs.PathError{Op: "look at", Path: place, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || int(stat.Uid) != os.Geteuid() || stat.Mode&0o066 != 0 {
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
