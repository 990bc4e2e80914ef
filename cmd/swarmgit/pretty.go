package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// prettyFlag adds --pretty to a command that else prints JSON.
func prettyFlag(c *cobra.Command) *cobra.Command {
	c.Flags().Bool("pretty", false, "for people rather than tools")
	return c
}

// inspected prints all that is known of one thing: as JSON, or what pretty writes
// of it.
func inspected(c *cobra.Command, thing any, pretty func(d *details)) error {
	if wanted, _ := c.Flags().GetBool("pretty"); !wanted { // prettyFlag has added it
		return printJSON(c.OutOrStdout(), thing)
	}
	printDetails(c.OutOrStdout(), pretty)
	return nil
}

// details are lines of a name and a value, in Docker's form of --pretty.
type details struct{ w *tabwriter.Writer }

func printDetails(w io.Writer, write func(d *details)) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	write(&details{tw})
	_ = tw.Flush() // an error of standard output is told at the end
}

// line writes values under a name, each on a line of its own. Empty ones are left
// out.
func (d *details) line(name string, values ...string) {
	title := name + ":"
	for _, value := range values {
		if value != "" {
			fmt.Fprintf(d.w, "%s\t%s\n", title, oneLine(value))
			title = ""
		}
	}
}

func (d *details) labels(name string, labels map[string]string) {
	var values []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		values = append(values, key+"="+labels[key])
	}
	d.line(name, values...)
}
