package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	gitrepo "github.com/swarmgit/swarmgit/reconciler/git"
)

// local is a person's repository as it is seen from one of its folders.
type local struct {
	*gitrepo.Reader
	dir    string
	prefix string // of the folder below the repository's root
}

// side is one of two trees.
type side struct {
	name string
	tree fs.FS
}

func openLocal(ctx context.Context, dir string) (*local, error) {
	out, err := gitIn(ctx, dir, "rev-parse", "--absolute-git-dir", "--show-prefix")
	switch {
	case errors.Is(err, errNoRepository):
		return nil, fmt.Errorf("%s is not in a Git repository: there is nothing to compare it with", dir)
	case err != nil:
		return nil, err
	}
	gitDir, prefix, _ := strings.Cut(strings.TrimSuffix(out, "\n"), "\n")
	return &local{gitrepo.NewReader(gitDir), dir, strings.TrimSuffix(prefix, "/")}, nil
}

// sides finds what is compared: the last commit and the working tree, or A and B
// of A..B.
func (l *local) sides(ctx context.Context, revisions string) (before, after side, err error) {
	if revisions == "" {
		if before, err = l.commit(ctx, "HEAD"); err != nil {
			return before, after, err
		}
		after, err = l.workingTree(ctx)
		return before, after, err
	}
	old, new, _ := strings.Cut(revisions, "..")
	new, forked := strings.CutPrefix(new, ".")
	if old == "" {
		old = "HEAD"
	}
	if new == "" {
		new = "HEAD"
	}
	if forked {
		if old, err = l.mergeBase(ctx, old, new); err != nil {
			return before, after, err
		}
	}
	if before, err = l.commit(ctx, old); err != nil {
		return before, after, err
	}
	after, err = l.commit(ctx, new)
	return before, after, err
}

func (l *local) mergeBase(ctx context.Context, a, b string) (string, error) {
	out, err := gitIn(ctx, l.dir, "merge-base", "--end-of-options", a, b)
	if err != nil {
		return "", fmt.Errorf("%s...%s: the two have no commit in common here: in a shallow clone, fetch more of it", a, b)
	}
	return strings.TrimSpace(out), nil
}

func (l *local) commit(ctx context.Context, revision string) (side, error) {
	commit, err := l.Resolve(ctx, revision)
	if err != nil {
		return side{}, err
	}
	tree, err := l.Files(ctx, commit.Hash)
	if err != nil {
		return side{}, err
	}
	s := side{commit.Short(), tree}
	if !strings.HasPrefix(commit.Hash, revision) {
		s.name = fmt.Sprintf("%s (%s)", revision, commit.Short())
	}
	if l.prefix == "" {
		return s, nil
	}
	if info, err := fs.Stat(tree, l.prefix); err != nil || !info.IsDir() {
		return side{}, fmt.Errorf("%s has no folder %s", s.name, l.prefix)
	}
	s.tree, err = fs.Sub(tree, l.prefix)
	return s, err
}

// workingTree is what a commit of everything in the folder would hold.
func (l *local) workingTree(ctx context.Context) (side, error) {
	archive, err := zipTree(ctx, l.dir)
	if err != nil {
		return side{}, err
	}
	tree, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	return side{"the working tree", tree}, err
}

// errNoRepository says that a directory is in no repository.
var errNoRepository = errors.New("not in a Git repository")

// gitIn is what git says in a directory: errNoRepository if that is in none, and
// exec.ErrNotFound where no git is.
func gitIn(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C") // its words decide below
	out, err := cmd.Output()
	if err == nil {
		return string(out), nil
	}
	var words []byte
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		words = exit.Stderr
	}
	if bytes.Contains(words, []byte("not a git repository")) {
		return "", errNoRepository
	}
	return "", gitError(err, args[0], words)
}

// gitError says why git could not do something: in its own words, which often name
// the command that helps, if it had any.
func gitError(err error, verb string, words []byte) error {
	text := strings.TrimSpace(string(words))
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("git %s: %w: install git", verb, err)
	case text == "":
		return fmt.Errorf("git %s: %w", verb, err)
	}
	return fmt.Errorf("git %s: %s", verb, text)
}
