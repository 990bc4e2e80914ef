package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

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
		Annotations: map[string]string{failureStatus: "2"},
		Example:     "  swarmgit diff\n  swarmgit diff main~3..main\n  swarmgit diff origin/main...HEAD -o json\n  swarmgit diff --path environments/prod",
		RunE: func(c *cobra.Command, args []string) error {
			differs, err := diff(c, opt, in, args)
			if err != nil {
				return fmt.Errorf("diff: %w", err)
			}
			if differs {
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
