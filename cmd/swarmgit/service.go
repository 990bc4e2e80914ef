package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func serviceCommand(opt *options) *cobra.Command {
	return group("service", "Look at services, their tasks and their logs, and restart them",
		serviceTable(opt, &cobra.Command{
			Use: "ls", Short: "List services", Args: noArgs,
			Example: "  swarmgit service ls\n  swarmgit service ls -q",
			RunE:    func(c *cobra.Command, _ []string) error { return serviceList(c, opt, "") },
		}),
		taskTable(opt, &cobra.Command{
			Use: "ps SERVICE", Short: "Tell the story of a service's tasks", Args: oneArg,
			Example: "  swarmgit service ps shop_web\n  swarmgit service ps shop/web --filter desired-state=running",
			RunE: func(c *cobra.Command, args []string) error {
				return taskList(c, opt, api.ListTasksRequest{Service: args[0]})
			},
		}),
		serviceInspectCommand(opt), serviceLogsCommand(opt), serviceRestartCommand(opt),
		serviceCreateCommand(), serviceUpdateCommand(opt), serviceScaleCommand(opt), serviceRollbackCommand(opt), serviceRemoveCommand(opt),
	)
}

// serviceTable adds the flags of a command that calls serviceList.
func serviceTable(opt *options, c *cobra.Command) *cobra.Command {
	c.Flags().BoolP("quiet", "q", false, "only IDs")
	return opt.formatFlag(c)
}

func serviceList(c *cobra.Command, opt *options, stack string) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListServices.Call(c.Context(), client, api.ListServicesRequest{Stack: stack})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Services, func(w io.Writer) {
		if quiet(c) {
			printIDs(w, reply.Services, func(s api.Service) string { return s.ID })
			return
		}
		var rows [][]string
		for _, s := range reply.Services {
			rows = append(rows, []string{
				shortID(s.ID), s.Spec.Name, string(cmp.Or(s.Spec.Mode, specs.Replicated)),
				fmt.Sprintf("%d/%d", s.Running, s.Wanted), untilDigest(s.Task.Image), ports(s.Task.HostPorts),
			})
		}
		table(w, "ID\tNAME\tMODE\tREPLICAS\tIMAGE\tPORTS", rows)
	})
}

// quiet reports whether -q was given to a command that has it.
func quiet(c *cobra.Command) bool {
	yes, _ := c.Flags().GetBool("quiet")
	return yes
}

func printIDs[T any](w io.Writer, all []T, id func(T) string) {
	for _, one := range all {
		fmt.Fprintln(w, id(one))
	}
}

// ports are those of nodes in Docker's form: "*:8080->80/tcp".
func ports(all []specs.HostPort) string {
	var texts []string
	for _, p := range all {
		texts = append(texts, fmt.Sprintf("*:%d->%d/%s", p.Published, p.Target, p.Protocol))
	}
	return strings.Join(texts, ", ")
}

// untilDigest is an image as the stack file names it.
func untilDigest(image string) string {
	if name, _, ok := strings.Cut(image, "@"); ok {
		return name
	}
	return image
}
