package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func revisionsCommand(opt *options) *cobra.Command {
	limit := 0
	c := &cobra.Command{
		Use: "revisions", Short: "List the commits that the cluster has seen, newest first", Args: noArgs,
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

// printRevisions names the sources once there are several.
func printRevisions(w io.Writer, revisions []api.Revision, now time.Time) {
	header, several := "REVISION\t", slices.ContainsFunc(revisions, func(r api.Revision) bool { return r.Source != revisions[0].Source })
	if several {
		header += "SOURCE\t"
	}
	var rows [][]string
	for _, r := range revisions {
		stacks, state := fmt.Sprintf("%d of %d", len(r.Changed), r.Stacks), string(r.Progress.State)
		if r.Progress.State == specs.RevisionRefused || r.Progress.State == specs.RevisionAwaiting {
			stacks = "-"
		}
		if r.Rewritten {
			state += ", rewritten"
		}
		row := []string{shortCommit(r.Commit)}
		if several {
			row = append(row, r.Source)
		}
		rows = append(rows, append(row, state, stacks, r.Author, span(now.Sub(r.Created)), r.Subject))
	}
	table(w, header+"STATE\tSTACKS\tBY\tAGE\tMESSAGE", rows)
}
