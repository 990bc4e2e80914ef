package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// give makes the task's user, nil is the daemon's own, the owner of its secrets
// and configs and of the directories that they lie in. A file that names another
// user or group becomes theirs.
func give(task executor.Task, who *account) error {
	if len(task.Files) == 0 {
		return nil
	}
	if who == nil {
		who = &account{UID: os.Geteuid(), GID: os.Getegid()}
	}
	// A task of the same user that ran before may have left links in it.
	root, err := os.OpenRoot(task.FilesDir)
	if err != nil {
		return fmt.Errorf("give the task its secrets and configs: %w", err)
	}
	defer root.Close()
	for _, f := range task.Files {
		if err := giveFile(root, f, who); err != nil {
			return err
		}
	}
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = root.Lchown(path, who.UID, who.GID)
		}
		return err
	})
}

func giveFile(root *os.Root, f executor.File, who *account) error {
	uid, gid := who.UID, who.GID
	if f.UID != nil {
		uid = int(*f.UID)
	}
	if f.GID != nil {
		gid = int(*f.GID)
	}
	path, err := filepath.Rel(root.Name(), f.Source)
	if err == nil {
		err = root.Lchown(path, uid, gid)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: uid %d, gid %d: the daemon of this node runs as user %d and can give files to itself and its own groups only: "+
			"leave uid and gid out, or run the daemon as root", path, uid, gid, os.Geteuid())
	case err != nil:
		return fmt.Errorf("give the task %s: %w", f.Source, err)
	}
	return nil
}
