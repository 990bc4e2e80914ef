package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/planner"
)

func reviewCommand(opt *options) *cobra.Command {
	return group("review", "Look at the plans of branches that were pushed for review", reviewListCommand(opt), reviewShowCommand(opt))
}

func reviewListCommand(opt *options) *cobra.Command {
	return opt.formatFlag(&cobra.Command{
		Use: "ls", Short: "List the branches whose plans are kept, newest first", Args: noArgs,
		Example: "  git push swarm HEAD:review/debug\n  swarmgit review ls",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.ListReviews.Call(c.Context(), client, api.Empty{})
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply.Reviews, func(w io.Writer) { printReviews(w, reply.Reviews, time.Now()) })
		},
	})
}

func printReviews(w io.Writer, reviews []api.Review, now time.Time) {
	var rows [][]string
	for _, r := range reviews {
		over := shortCommit(r.Base)
		switch {
		case r.Applied:
			over = "(applied)"
		case r.Stale != "":
			over += " (stale)"
		}
		rows = append(rows, []string{r.Branch, shortCommit(r.Commit), r.Verdict, over, r.Author, span(now.Sub(r.Created)), r.Subject})
	}
	table(w, "BRANCH\tCOMMIT\tVERDICT\tOVER\tBY\tAGE\tMESSAGE", rows)
}

func reviewShowCommand(opt *options) *cobra.Command {
	c := &cobra.Command{
		Use: "show BRANCH", Short: "Show the plan that was made when a branch was pushed", Args: oneArg,
		Long: `Shows the plan of a branch other than the one that the cluster follows, as it was
made at its last push. It says when the cluster has moved on since;
"swarmgit plan --rev BRANCH" then tells what the branch would do now.`,
		Example: "  swarmgit review show review/debug\n  swarmgit review show review/debug -o markdown",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.GetReview.Call(c.Context(), client, api.ByName{Name: args[0]})
			if err != nil {
				return err
			}
			if note := reviewNote(reply.Review); note != "" {
				fmt.Fprint(c.ErrOrStderr(), wrapped("", note)+"\n")
			}
			return opt.printPlan(c.OutOrStdout(), reply.Plan, reply, func(w io.Writer) { printReview(w, reply, time.Now()) })
		},
	}
	return opt.planFormatFlag(c)
}

// reviewNote says why the plan is not what would happen now.
func reviewNote(r api.Review) string {
	switch {
	case r.Applied:
		return "applied: the cluster is at " + shortCommit(r.Commit) + ": this is what it was going to do."
	case r.Stale != "":
		return "stale: " + r.Stale + ". What it would do now: swarmgit plan --rev " + r.Branch
	}
	return ""
}

func printReview(w io.Writer, r api.GetReviewReply, now time.Time) {
	fmt.Fprintf(w, "%s %q by %s, planned %s\n\n", shortCommit(r.Commit), r.Subject, r.Author, ago(now, r.Created))
	_ = r.Plan.Text(w, planner.TextOptions{Width: 80, Color: colored(w)})
}
