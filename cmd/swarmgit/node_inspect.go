package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func nodeInspectCommand(opt *options) *cobra.Command {
	var pretty bool
	c := &cobra.Command{
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
			if pretty {
				printNode(c.OutOrStdout(), node)
				return nil
			}
			return printJSON(c.OutOrStdout(), node)
		},
	}
	c.Flags().BoolVar(&pretty, "pretty", false, "for people rather than tools")
	return c
}

// printNode is the node in Docker's form.
func printNode(w io.Writer, n api.Node) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(tw, "%s:\t%s\n", name, oneLine(value))
		}
	}
	d := n.Seen.Description
	line("ID", n.ID)
	line("Hostname", d.Hostname)
	line("Joined at", n.Created.UTC().Format(time.RFC3339))
	printLabels(tw, "Labels", n.Spec.Labels)
	line("Role", capital(string(n.Spec.Role)))
	line("Manager status", capital(string(n.Manager)))
	line("State", capital(string(cmp.Or(n.Seen.Status, specs.NodeUnknown))))
	line("Availability", capital(string(cmp.Or(n.Spec.Availability, specs.Active))))
	line("Address", n.Seen.Addr)
	line("Tasks", fmt.Sprint(n.Tasks)+" running")
	line("Platform", d.OS+"/"+d.Arch)
	line("CPUs", d.Resources.CPUs.String())
	line("Memory", size(int64(d.Resources.Memory)))
	line("Engine", d.Engine)
	printLabels(tw, "Engine labels", d.EngineLabels)
	_ = tw.Flush() // an error of w is seen by nobody who could still be told
}

func printLabels(w io.Writer, name string, labels map[string]string) {
	for i, key := range slices.Sorted(maps.Keys(labels)) {
		title := name + ":"
		if i > 0 {
			title = ""
		}
		fmt.Fprintf(w, "%s\t%s\n", title, oneLine(key+"="+labels[key]))
	}
}
