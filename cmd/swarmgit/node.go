package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func nodeCommand(opt *options) *cobra.Command {
	return group("node", "Look at the nodes of the cluster",
		opt.formatFlag(&cobra.Command{
			Use: "ls", Short: "List nodes", Args: cobra.NoArgs,
			Example: "  swarmgit node ls\n  swarmgit node ls -o json",
			RunE:    func(c *cobra.Command, _ []string) error { return nodeList(c, opt) },
		}),
		&cobra.Command{
			Use: "inspect NODE", Short: "Show all that is known of a node, as JSON", Args: oneArg,
			Example: "  swarmgit node inspect self",
			RunE:    func(c *cobra.Command, args []string) error { return nodeInspect(c, opt, args[0]) },
		},
	)
}

func nodeList(c *cobra.Command, opt *options) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListNodes.Call(c.Context(), client, api.Empty{})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Nodes, func(w io.Writer) {
		var rows [][]string
		for _, n := range reply.Nodes {
			rows = append(rows, nodeRow(n))
		}
		table(w, "ID\tHOSTNAME\tSTATUS\tAVAILABILITY\tMANAGER STATUS\tENGINE VERSION", rows)
	})
}

func nodeRow(n api.Node) []string {
	id, manager := n.ID, ""
	if n.Self {
		id += " *"
	}
	switch {
	case n.Leader:
		manager = "Leader"
	case n.Spec.Role == specs.Manager:
		manager = "Reachable"
	}
	return []string{
		id, n.Seen.Description.Hostname, capital(string(cmp.Or(n.Seen.Status, specs.NodeUnknown))),
		capital(string(cmp.Or(n.Spec.Availability, specs.Active))), manager, n.Seen.Description.Engine,
	}
}

func nodeInspect(c *cobra.Command, opt *options, name string) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	node, err := api.InspectNode.Call(c.Context(), client, api.ByName{Name: name})
	if err != nil {
		return err
	}
	return printJSON(c.OutOrStdout(), node)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return fmt.Sprintf("%c%s", s[0]&^0x20, s[1:])
}
