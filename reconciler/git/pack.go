package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// wholeLimit is how long it may take to see that a commit is whole: only
	// what no ref reaches yet is looked at.
	wholeLimit = time.Minute
	// maxHave is how many commits a pack is built on at most: each branch's tip
	// is one, and a pack that builds on fewer is only larger.
	maxHave = 1000
)

// errNotWhole says that objects are missing which a commit needs.
var errNotWhole = errors.New("objects are missing")

// Has reports that a commit and everything that it needs are here.
func (r *Repository) Has(ctx context.Context, commit string) bool {
	return r.lacks(ctx, commit) == nil
}

// lacks says what is missing of a commit by errMissing or errNotWhole; any other
// error, that it cannot be told.
func (r *Repository) lacks(ctx context.Context, commit string) error {
	if _, err := r.Resolve(ctx, commit); err != nil {
		return err // without the cost of a process
	}
	return r.whole(ctx, Environment(), commit)
}

// whole looks for all that a commit needs. What a ref reaches is known to be
// whole: no ref is set before this was asked of its commit, and ensure asks it
// of all refs at the start.
func (r *Repository) whole(ctx context.Context, env []string, commit string) error {
	ctx, cancel := context.WithTimeout(ctx, wholeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "--git-dir="+r.dir, "rev-list", "--objects", "--quiet", commit, "--not", "--all")
	cmd.Env = env
	_, err := output(cmd, "")
	if gitSays(err) {
		return fmt.Errorf("commit %s: %w: %w", Short(commit), errNotWhole, err)
	}
	return err
}

// gitSays tells that git itself ended with an error, from git that was killed or
// could not run.
func gitSays(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Exited()
}

// Pack writes what the commit want needs beyond the commits of have, as a thin
// pack: it is of use only where those of have that are here are whole. Others
// of have are left out. It ends with ctx, and when w fails.
func (r *Repository) Pack(ctx context.Context, want string, have []string, w io.Writer) error {
	return r.pack(ctx, Environment(), want, have, w)
}

func (r *Repository) pack(ctx context.Context, env []string, want string, have []string, w io.Writer) error {
	revisions := want + "\n"
	for _, commit := range have[:min(len(have), maxHave)] {
		if _, err := r.Resolve(ctx, commit); err == nil && isHash(commit) {
			revisions += "^" + commit + "\n"
		}
	}
	cmd := exec.CommandContext(ctx, "git", "--git-dir="+r.dir, "pack-objects", "--revs", "--thin", "--stdout", "--delta-base-offset", "-q")
	complaint := &head{limit: maxComplaint}
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, strings.NewReader(revisions), w, complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pack commit %s: %w: %s", Short(want), err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

// spool packs into a file that has no name any more: it is gone when it is
// closed, or this process ends.
func (r *Repository) spool(ctx context.Context, env []string, want string, have []string) (*os.File, error) {
	file, err := os.CreateTemp(filepath.Join(r.dir, "objects/pack"), "tmp_spool-")
	if err != nil {
		return nil, fmt.Errorf("pack commit %s: %w", Short(want), err)
	}
	if err = os.Remove(file.Name()); err == nil {
		err = r.pack(ctx, env, want, have, file)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
