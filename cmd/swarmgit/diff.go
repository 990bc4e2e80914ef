package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	gitrepo "github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
)

// The exit statuses of diff are those of diff(1).
const (
	diffDiffers = exitCode(1)
	diffFailed  = exitCode(2)
)

func diffCommand(opt *options) *cobra.Command {
	var in schema.Options
	c := opt.formatFlag(&cobra.Command{
		Use: "diff [A..B | DIR]", Short: "Show how two versions of a repository differ in what they ask for, without any cluster", Args: optionalArg,
		Long: `Compares what the stacks of two versions ask for, service by service: the working
tree in DIR (the current directory by default) against its last commit, or two
commits of the repository here. A...B compares B with where it left A, as a pull
request does. It says which line changes which field, and which changes replace
tasks. What the cluster would do about it is told by "swarmgit plan".

Values that look like secrets are shown as hashes under a key of this one run.

Exit status: 0 the same, 1 different, 2 an error, or mistakes in the files.`,
		Example: "  swarmgit diff\n  swarmgit diff main~3..main\n  swarmgit diff origin/main...HEAD -o json\n  swarmgit diff --path environments/prod",
		RunE: func(c *cobra.Command, args []string) error {
			differs, err := diff(c, opt, in, args)
			var said exitCode
			switch {
			case errors.As(err, &said):
				return said
			case err != nil:
				fmt.Fprintln(c.ErrOrStderr(), "swarmgit: diff: "+err.Error())
				return diffFailed
			case differs:
				return diffDiffers
			}
			return nil
		},
	})
	pathFlag(c, &in.Path)
	return c
}

func diff(c *cobra.Command, opt *options, in schema.Options, args []string) (differs bool, err error) {
	dir, revisions := ".", ""
	if len(args) == 1 {
		if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
			dir = args[0]
		} else if revisions = args[0]; !strings.Contains(revisions, "..") {
			return false, fmt.Errorf("%s: neither a directory nor commits: name commits as A..B", revisions)
		}
	}
	local, err := openLocal(c.Context(), dir)
	if err != nil {
		return false, err
	}
	defer local.Close()
	before, after, err := local.sides(c.Context(), revisions)
	if err != nil {
		return false, err
	}
	was, is := schema.Load(c.Context(), before.tree, in), schema.Load(c.Context(), after.tree, in)
	if mistakes(c.ErrOrStderr(), before.name, was) || mistakes(c.ErrOrStderr(), after.name, is) {
		return false, diffFailed
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, by its contract
	result := planner.Compare(was.Stacks, is.Stacks, key)
	result.Old, result.New, result.Warnings = before.name, after.name, notCompared(is)
	err = opt.print(c.OutOrStdout(), result, func(w io.Writer) { _ = result.Text(w, planner.TextOptions{Color: colored(w)}) })
	return len(result.Services) > 0, err
}

// mistakes prints why the files of one side cannot be compared.
func mistakes(w io.Writer, side string, loaded schema.Result) bool {
	problems := loaded.Refusals(true)
	for _, p := range problems {
		fmt.Fprintln(w, "in "+side+": "+p.String())
	}
	return len(problems) > 0
}

// notCompared are the keys of which nothing is known yet.
func notCompared(loaded schema.Result) []specs.Problem {
	var keys []specs.Problem
	for _, p := range loaded.Problems {
		p.Message += ": whether it differs is not seen"
		keys = append(keys, p)
	}
	return keys
}

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
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--absolute-git-dir", "--show-prefix").Output()
	if err != nil {
		if err := outsideOfGit(err); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s is not in a Git repository: there is nothing to compare it with", dir)
	}
	gitDir, prefix, _ := strings.Cut(strings.TrimSuffix(string(out), "\n"), "\n")
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
	out, err := exec.CommandContext(ctx, "git", "-C", l.dir, "merge-base", "--end-of-options", a, b).Output()
	if err != nil {
		return "", fmt.Errorf("%s...%s: the two have no commit in common here: in a shallow clone, fetch more of it", a, b)
	}
	return strings.TrimSpace(string(out)), nil
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
