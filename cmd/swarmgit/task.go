package main

import (
	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

func taskCommand(opt *options) *cobra.Command {
	return group("task", "Look at single tasks", taskInspectCommand(opt))
}

func taskInspectCommand(opt *options) *cobra.Command {
	return &cobra.Command{
		Use: "inspect TASK", Short: "Show all that is known of a task, as JSON", Args: oneArg,
		Long: `Show all that is known of a task, as JSON: what the managers want of it ("want"),
what its node sees ("seen", with the health and the output of the last check that
failed), and its whole spec ("task_spec"). TASK is a name, an ID or the beginning of
one.`,
		Example: "  swarmgit task inspect shop_web.1\n  swarmgit task inspect v61kcvsq",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			task, err := api.InspectTask.Call(c.Context(), client, api.ByName{Name: args[0]})
			if err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), task)
		},
	}
}
