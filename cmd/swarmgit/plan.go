package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/planner"
)

func planCommand(opt *options) *cobra.Command {
	var req api.PlanRequest
	var detailed bool
	c := &cobra.Command{
		Use: "plan [DIR]", Short: "Show what a push would do, without doing it", Args: optionalArg,
		Long: `Shows what applying the working tree in DIR (the current directory by default),
or a commit that the cluster's remote has, would change and do: what starts, restarts
and stops, where, in what order, and which line of which file is the cause.

--allow-removal and --accept-partial plan as "git push -o allow-removal" and
"git push -o accept-partial" would.

--source plans the working tree as a commit of that source: its stacks, from its
--path.

-o markdown is for the comment of a pull request: at most 60 kB, each stack folded,
and a hidden first line by which the comment is found again. A directory needs no
more than a token that may look: see "swarmgit token create".

Exit status: 0, or 1 for an error or a refusal. With --detailed-exitcode:
0 nothing to do, 2 changes, 3 refused by a rule such as the one against large
removals, 4 something cannot be placed, 1 an error, or mistakes in the files.`,
		Example: "  swarmgit plan\n  swarmgit plan --allow-removal\n  swarmgit plan --rev review/debug\n" +
			"  swarmgit plan -o json --detailed-exitcode\n  swarmgit plan --rev main..review/debug -o markdown",
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if req.Rev != "" && len(args) == 1 {
				return fmt.Errorf("plan: --rev plans a commit, %s is a directory: use one of the two", dir)
			}
			asked := req
			asked.Rev = hereRevision(c.Context(), ".", req.Rev)
			plan, err := askPlan(c, opt, dir, asked)
			if err != nil {
				return err
			}
			if err := opt.printPlan(c.OutOrStdout(), plan, plan, func(w io.Writer) { printPlan(w, plan, req) }); err != nil {
				return err
			}
			if code := plan.ExitCode(detailed); code != 0 {
				return exitCode(code)
			}
			return nil
		},
	}
	c.Flags().StringVar(&req.Rev, "rev", "", "plan this commit or branch of the cluster's remote, or A..B where the cluster is at A; HEAD is the one here")
	c.Flags().StringVar(&req.Source, "source", "", "plan as a commit of this source (default: the cluster's own remote)")
	c.Flags().BoolVar(&req.AcceptPartial, "accept-partial", false, "plan as a push with -o accept-partial would")
	c.Flags().BoolVar(&req.AllowRemoval, "allow-removal", false, "plan as a push with -o allow-removal would")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "tell by the exit status what the plan says")
	return opt.planFormatFlag(c)
}

// planFormatFlag adds -o text|json|markdown.
func (o *options) planFormatFlag(c *cobra.Command) *cobra.Command {
	return o.outputFlag(c, "text, json, or markdown for a comment on a pull request", "text", "json", "markdown")
}

// printPlan is print for what also has a Markdown form: that of the plan.
func (o *options) printPlan(w io.Writer, plan planner.Plan, value any, text func(io.Writer)) error {
	if o.format == "markdown" {
		_, err := io.WriteString(w, plan.Markdown())
		return err
	}
	return o.print(w, value, text)
}

// hereRevision is a revision, or a range of two, as the managers are asked for it.
// In a clone HEAD is the clone's, as git has it; theirs is main.
func hereRevision(ctx context.Context, dir, revision string) string {
	sides := strings.Split(revision, "..")
	if !slices.ContainsFunc(sides, isHere) {
		return revision
	}
	repo, err := openLocal(ctx, dir)
	if err != nil {
		return revision
	}
	defer repo.Close()
	for i, side := range sides {
		if !isHere(side) {
			continue
		}
		if commit, err := repo.Resolve(ctx, side); err == nil {
			sides[i] = commit.Hash
		}
	}
	return strings.Join(sides, "..")
}

// isHere reports that a revision begins at HEAD: "HEAD~2", "@^".
func isHere(revision string) bool {
	name, _, _ := strings.Cut(revision, "~")
	name, _, _ = strings.Cut(name, "^")
	return name == "HEAD" || name == "@"
}

func askPlan(c *cobra.Command, opt *options, dir string, req api.PlanRequest) (planner.Plan, error) {
	if req.Rev == "" {
		var err error
		if req.Tree, err = zipTree(c.Context(), dir); err != nil {
			return planner.Plan{}, err
		}
	}
	client, err := opt.connect()
	if err != nil {
		return planner.Plan{}, err
	}
	reply, err := api.Plan.Call(c.Context(), client, req)
	return reply.Plan, err
}

func printPlan(w io.Writer, plan planner.Plan, req api.PlanRequest) {
	showPlan(w, plan)
	switch plan.Verdict {
	case planner.NoChanges, planner.Refused:
	default:
		fmt.Fprintln(w, "\nApply it: "+pushCommand(req))
	}
}

func showPlan(w io.Writer, plan planner.Plan) {
	_ = plan.Text(w, planner.TextOptions{Width: 80, Color: colored(w)}) // a terminal that is gone needs no plan
}

// pushCommand is the push that does what was planned. The remote's name is the
// one that every help text gives to it.
func pushCommand(req api.PlanRequest) string {
	words := "git push"
	if req.AcceptPartial {
		words += " -o accept-partial"
	}
	if req.AllowRemoval {
		words += " -o allow-removal"
	}
	rev := "HEAD"
	if req.Rev != "" {
		rev = req.Rev
		if _, to, isRange := strings.Cut(rev, ".."); isRange {
			rev = to
		}
	}
	return words + " swarm " + rev + ":main"
}
