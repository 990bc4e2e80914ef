package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

func stackCommand(opt *options) *cobra.Command {
	return group("stack", "Look at stacks",
		opt.formatFlag(&cobra.Command{
			Use: "ls", Short: "List stacks", Args: noArgs,
			Example: "  swarmgit stack ls",
			RunE:    func(c *cobra.Command, _ []string) error { return stackList(c, opt) },
		}),
		taskTable(opt, &cobra.Command{
			Use: "ps STACK", Short: "Tell the story of a stack's tasks", Args: oneArg,
			Example: "  swarmgit stack ps shop",
			RunE: func(c *cobra.Command, args []string) error {
				return taskList(c, opt, api.ListTasksRequest{Stack: args[0]})
			},
		}),
		serviceTable(opt, &cobra.Command{
			Use: "services STACK", Short: "List the services of a stack", Args: oneArg,
			Example: "  swarmgit stack services shop",
			RunE:    func(c *cobra.Command, args []string) error { return serviceList(c, opt, args[0]) },
		}),
		stackDeployCommand(opt), stackRemoveCommand(opt),
	)
}

func stackList(c *cobra.Command, opt *options) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListStacks.Call(c.Context(), client, api.Empty{})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Stacks, func(w io.Writer) {
		var rows [][]string
		for _, s := range reply.Stacks {
			rows = append(rows, []string{
				s.Name, fmt.Sprint(s.Count.Services), fmt.Sprintf("%d/%d", s.Count.Running, s.Count.Wanted),
				s.Source, shortCommit(s.Revision),
			})
		}
		table(w, "NAME\tSERVICES\tTASKS\tSOURCE\tREVISION", rows)
	})
}
