package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func revisionsCommand(opt *options) *cobra.Command {
	limit := 0
	c := &cobra.Command{
		Use: "revisions", Short: "List the commits that the cluster has seen, newest first", Args: cobra.NoArgs,
		Example: "  swarmgit revisions\n  swarmgit revisions -n 5 -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.ListRevisions.Call(c.Context(), client, api.ListRevisionsRequest{Limit: limit})
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply.Revisions, func(w io.Writer) { printRevisions(w, reply.Revisions, time.Now()) })
		},
	}
	c.Flags().IntVarP(&limit, "number", "n", 20, "how many to list; 0 is all")
	return opt.formatFlag(c)
}

func printRevisions(w io.Writer, revisions []api.Revision, now time.Time) {
	var rows [][]string
	for _, r := range revisions {
		stacks := fmt.Sprintf("%d of %d", len(r.Changed), r.Stacks)
		if r.Progress.State == specs.RevisionRefused {
			stacks = "-"
		}
		rows = append(rows, []string{
			shortCommit(r.Commit), string(r.Progress.State), stacks, r.Author, span(now.Sub(r.Created)), r.Subject,
		})
	}
	table(w, "REVISION\tSTATE\tSTACKS\tBY\tAGE\tMESSAGE", rows)
}
