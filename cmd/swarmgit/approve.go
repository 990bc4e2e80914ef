package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func approveCommand(opt *options) *cobra.Command {
	var req api.ApproveRequest
	var yes bool
	c := &cobra.Command{
		Use: "approve [REV]", Short: "Carry out a revision that awaits approval", Args: optionalArg,
		Long: `Shows the plan of a revision that awaits approval, asks, and carries it out: the
commit REV, or the only one that there is. A commit of an outside source awaits
approval if it removes much of what runs; see "swarmgit revisions".`,
		Example: "  swarmgit approve\n  swarmgit approve 7bd31c2 --yes",
		RunE: func(c *cobra.Command, args []string) error {
			req.Rev = strings.Join(args, "")
			client, err := opt.connect()
			if err != nil {
				return err
			}
			if !yes {
				if req.Rev, err = confirmApproval(c, client, req.Rev); err != nil {
					return err
				}
			}
			reply, err := api.Approve.Call(c.Context(), client, req)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "approved: %s of %s is rolling out: swarmgit wait %s\n", shortCommit(reply.Commit), reply.Source, shortCommit(reply.Commit))
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "neither show the plan nor ask")
	return c
}

// confirmApproval shows the plan and asks. What it returns is approved, and no
// other revision that took its place meanwhile.
func confirmApproval(c *cobra.Command, client *wire.Client, rev string) (string, error) {
	reply, err := api.Approve.Call(c.Context(), client, api.ApproveRequest{Rev: rev, DryRun: true})
	if err != nil {
		return "", err
	}
	showPlan(c.OutOrStdout(), reply.Plan)
	return reply.Commit, confirm(c, "approve "+shortCommit(reply.Commit))
}
