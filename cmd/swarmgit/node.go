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
	return group("node", "Look at the nodes of the cluster, and change what is wanted of them",
		nodeListCommand(opt),
		nodeInspectCommand(opt),
		taskTable(opt, &cobra.Command{
			Use: "ps [NODE...]", Short: "Tell the story of the tasks on nodes; without a name on this one",
			Example: "  swarmgit node ps\n  swarmgit node ps n1 n2",
			RunE: func(c *cobra.Command, args []string) error {
				if len(args) == 0 {
					args = []string{"self"}
				}
				return taskList(c, opt, api.ListTasksRequest{Nodes: args})
			},
		}),
		nodeUpdateCommand(opt), nodePromoteCommand(opt), nodeDemoteCommand(opt), nodeRemoveCommand(opt), nodeReadmitCommand(opt),
	)
}

func nodeListCommand(opt *options) *cobra.Command {
	var filters []string
	c := &cobra.Command{
		Use: "ls", Short: "List nodes", Args: noArgs,
		Long: `Lists nodes; a star marks the one whose daemon answers.

--filter takes id=, name=, role=, label= and node.label=: an ID's beginning, a part of
a hostname, manager or worker, a label KEY or KEY=VALUE (label= looks at engine
labels too). Filters of one kind widen the list, filters of several narrow it.`,
		Example: "  swarmgit node ls\n  swarmgit node ls --filter role=manager -q\n  swarmgit node ls -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			filter, err := parseFilter(nodeFilters, filters)
			if err != nil {
				return err
			}
			return nodeList(c, opt, filter)
		},
	}
	c.Flags().BoolP("quiet", "q", false, "only IDs")
	c.Flags().StringArrayVarP(&filters, "filter", "f", nil, "only nodes of which this is true; may be repeated")
	return opt.formatFlag(c)
}

func nodeList(c *cobra.Command, opt *options, filter filter[api.Node]) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListNodes.Call(c.Context(), client, api.Empty{})
	if err != nil {
		return err
	}
	nodes := filter.pick(reply.Nodes)
	return opt.print(c.OutOrStdout(), nodes, func(w io.Writer) {
		if quiet(c) {
			printIDs(w, nodes, func(n api.Node) string { return n.ID })
			return
		}
		printNodes(w, nodes)
	})
}

func printNodes(w io.Writer, nodes []api.Node) {
	var rows [][]string
	for _, n := range nodes {
		rows = append(rows, nodeRow(n))
	}
	table(w, "ID\tHOSTNAME\tSTATUS\tAVAILABILITY\tMANAGER STATUS\tENGINE VERSION", rows)
}

func nodeRow(n api.Node) []string {
	id := n.ID
	if n.Self {
		id += " *"
	}
	return []string{
		id, n.Seen.Description.Hostname, capital(string(cmp.Or(n.Seen.Status, specs.NodeUnknown))),
		capital(string(cmp.Or(n.Spec.Availability, specs.Active))), capital(string(n.Manager)), n.Seen.Description.Engine,
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return fmt.Sprintf("%c%s", s[0]&^0x20, s[1:])
}
