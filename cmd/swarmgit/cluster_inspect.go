package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

func clusterInspectCommand(opt *options) *cobra.Command {
	return prettyFlag(&cobra.Command{
		Use: "inspect", Short: "Show all that is known of the cluster and is no secret, as JSON", Args: noArgs,
		Example: "  swarmgit cluster inspect --pretty\n  swarmgit cluster inspect",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			cluster, err := api.InspectCluster.Call(c.Context(), client, api.Empty{})
			if err != nil {
				return err
			}
			return inspected(c, cluster, func(d *details) { d.cluster(cluster) })
		},
	})
}

func (d *details) cluster(c api.InspectClusterReply) {
	d.line("ID", c.ID)
	d.line("Name", c.Name)
	d.line("Created at", c.Created.UTC().Format(time.RFC3339))
	d.line("Format", fmt.Sprint(c.Format))
	d.line("Branch", c.Spec.Branch)
	d.line("Path", c.Spec.Path)
	d.line("Task history", historyLine(c.Spec.History))
	d.line("Heartbeat period", c.Spec.HeartbeatPeriod.String())
	d.line("Orphaned after", c.Spec.OrphanAfter.String())
	d.line("Largest push", c.Spec.PackLimit.String())
	d.line("Certificates", "good for "+c.Spec.CertExpiry.String())
	if c.CA == nil {
		return
	}
	d.line("Root CA", rootLines(c.CA.Root)...)
	if to := c.CA.RotatingTo; to != nil {
		d.line("Rotating to", rootLines(*to)...)
	}
}

func historyLine(kept int) string {
	if kept < 0 {
		return "all ended tasks are kept"
	}
	return plural(kept, "ended task") + " kept per slot"
}

func rootLines(root api.RootCertificate) []string {
	lines := []string{"sha256:" + string(root.Digest), root.Subject + ", good until " + root.NotAfter.UTC().Format(time.RFC3339)}
	for _, host := range root.External {
		lines = append(lines, "signed for by "+host)
	}
	return lines
}
