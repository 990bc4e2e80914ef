package git

import (
	"context"
	"errors"
	"fmt"
)

// Reader reads commits of a repository of somebody's. It writes nothing there,
// and no configuration decides what it sees.
type Reader struct{ read *objects }

// NewReader reads the repository in the Git directory dir, such as "shop/.git".
// The caller closes it.
func NewReader(dir string) *Reader { return &Reader{newObjects(dir)} }

// Close ends the process that reads.
func (r *Reader) Close() { r.read.close() }

// Resolve is Repository.Resolve.
func (r *Reader) Resolve(ctx context.Context, revision string) (Commit, error) {
	commit, err := r.read.commit(ctx, revision)
	if errors.Is(err, errMissing) {
		return Commit{}, fmt.Errorf("%s names no commit of this repository", revision)
	}
	return commit, err
}

// Files is Repository.Files.
func (r *Reader) Files(ctx context.Context, revision string) (*Tree, error) {
	return r.read.files(ctx, revision)
}
