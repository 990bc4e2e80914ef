package git

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/swarmgit/swarmgit/specs"
)

// ensure makes the repository when it is not there. One that git cannot read,
// or a ref of which is not whole, is set aside and made anew: half a repository
// would answer half of the questions. What is whole in it comes back by salvage.
func (r *Repository) ensure(ctx context.Context) error {
	if !r.exists() {
		if err := create(ctx, r.dir); err != nil {
			return err
		}
	}
	if err := r.configure(); err != nil {
		return err
	}
	_, err := r.git(ctx, "", "rev-list", "--objects", "--quiet", "--all")
	if gitSays(err) && ctx.Err() == nil {
		slog.ErrorContext(ctx, "the repository is damaged: it is set aside and made anew", "dir", r.dir, "aside", r.aside(), "error", err)
		err = r.setAside(ctx)
	}
	if err != nil {
		return err
	}
	return r.clearLeftovers()
}

func (r *Repository) setAside(ctx context.Context) error {
	if err := os.RemoveAll(r.aside()); err != nil {
		return err
	}
	if err := os.Rename(r.dir, r.aside()); err != nil {
		return err
	}
	if err := create(ctx, r.dir); err != nil {
		return err
	}
	return r.configure()
}

func (r *Repository) exists() bool {
	_, err := os.Stat(filepath.Join(r.dir, "HEAD"))
	return !errors.Is(err, os.ErrNotExist)
}

// aside is where the last damaged repository lies.
func (r *Repository) aside() string { return r.dir + ".damaged" }

// salvage takes a commit from the repository that was set aside. Git checks
// every object on its way.
func (r *Repository) salvage(ctx context.Context, commit string) error {
	objects := filepath.Join(r.aside(), "objects")
	if _, err := os.Stat(objects); err != nil {
		return err
	}
	pack, err := r.spool(ctx, Environment("GIT_ALTERNATE_OBJECT_DIRECTORIES="+objects), commit, nil)
	if err != nil {
		return err
	}
	defer pack.Close()
	if _, err := pack.Seek(0, 0); err != nil {
		return err
	}
	return r.Unpack(ctx, pack, commit, maxTransfer)
}

// maxTransfer is the largest pack that one manager takes from another: all that
// was ever pushed may come at once.
const maxTransfer = 4 * specs.Bytes(1<<30)

// quarantine is the environment of a git that writes objects to a folder, and
// reads them there and in the repository.
func quarantine(dir, folder string) []string {
	return []string{"GIT_OBJECT_DIRECTORY=" + folder, "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + filepath.Join(dir, "objects")}
}
