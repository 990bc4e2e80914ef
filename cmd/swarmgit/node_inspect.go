package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func nodeInspectCommand(opt *options) *cobra.Command {
	return prettyFlag(&cobra.Command{
		Use: "inspect NODE", Short: "Show all that is known of a node, as JSON", Args: oneArg,
		Example: "  swarmgit node inspect self\n  swarmgit node inspect --pretty n2",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			node, err := api.InspectNode.Call(c.Context(), client, api.ByName{Name: args[0]})
			if err != nil {
				return err
			}
			return inspected(c, node, func(d *details) { d.node(node) })
		},
	})
}

func (d *details) node(n api.Node) {
	says := n.Seen.Description
	d.line("ID", n.ID)
	d.line("Hostname", says.Hostname)
	d.line("Joined at", n.Created.UTC().Format(time.RFC3339))
	d.labels("Labels", n.Spec.Labels)
	d.line("Role", capital(string(n.Spec.Role)))
	d.line("Manager status", capital(string(n.Manager)))
	d.line("State", capital(string(cmp.Or(n.Seen.Status, specs.NodeUnknown))))
	d.line("Availability", capital(string(cmp.Or(n.Spec.Availability, specs.Active))))
	d.line("Address", n.Seen.Addr)
	d.line("Tasks", fmt.Sprint(n.Tasks)+" running")
	d.line("Platform", says.OS+"/"+says.Arch)
	d.line("CPUs", says.Resources.CPUs.String())
	d.line("Memory", size(int64(says.Resources.Memory)))
	d.line("Engine", says.Engine)
	d.labels("Engine labels", says.EngineLabels)
	if until := n.Seen.Certificate.NotAfter; !until.IsZero() {
		d.line("Certificate", "good until "+until.UTC().Format(time.RFC3339))
	}
}
