package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func joinTokenCommand(opt *options) *cobra.Command {
	var rotate bool
	c := &cobra.Command{
		Use: "join-token worker|manager", Short: "Print the command with which a machine joins the cluster", Args: oneArg,
		Long: `Prints the command that makes a machine a node of this cluster. Whoever has the
manager's token can have the whole cluster. The command names all managers that can
be reached now; one of them is enough.

With --rotate the token is a new one. The old one lets nobody in any more; nodes
that have joined with it stay.`,
		Example: "  swarmgit join-token worker\n  swarmgit join-token manager --rotate",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.GetJoinToken.Call(c.Context(), client, api.JoinTokenRequest{Role: specs.Role(args[0]), Rotate: rotate})
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply, func(w io.Writer) {
				if quiet(c) {
					fmt.Fprintln(w, reply.Token)
					return
				}
				fmt.Fprintf(w, "To add a %s, run on the machine that is to join:\n\n%s\n", args[0], joinLine(reply))
			})
		},
	}
	c.Flags().BoolVar(&rotate, "rotate", false, "make a new token, and the old one useless")
	c.Flags().BoolP("quiet", "q", false, "only the token")
	return opt.formatFlag(c)
}

// joinLine is the command that joins, as a line to copy. Any of the managers may be
// down by the time the line is used.
func joinLine(reply api.JoinTokenReply) string {
	managers := append([]string{reply.Addr}, reply.Others...)
	return fmt.Sprintf("    sudo swarmgit daemon --join %s --token %s", strings.Join(managers, " --join "), reply.Token)
}

func nodeReadmitCommand(opt *options) *cobra.Command {
	return opt.formatFlag(&cobra.Command{
		Use: "readmit NODE", Short: "Let a node back in whose certificate has run out", Args: oneArg,
		Long: `A node that was off for longer than its certificate lasts is not let in any more.
This prints a command that lets it in once, within a day. It stays the node that
it was, with its tasks and its volumes. A node that is up needs none, and is refused.`,
		Example: "  swarmgit node readmit web-3",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.ReadmitNode.Call(c.Context(), client, api.ByName{Name: args[0]})
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply, func(w io.Writer) {
				fmt.Fprintf(w, "To let %s back in, run there once within a day:\n\n%s\n", args[0], joinLine(reply))
			})
		},
	})
}

func caCommand(opt *options) *cobra.Command {
	return group("ca", "Look after the cluster's certificate authority", caRotateCommand(opt), caStatusCommand(opt))
}

func caStatusCommand(opt *options) *cobra.Command {
	return opt.formatFlag(&cobra.Command{
		Use: "status", Short: "Show how far a rotation of the root certificate is", Args: noArgs,
		Example: "  swarmgit ca status\n  swarmgit ca status -o json",
		RunE:    func(c *cobra.Command, _ []string) error { return watchCA(c, opt, true) },
	})
}

func caRotateCommand(opt *options) *cobra.Command {
	var cert, key string
	var external []string
	var detach, abort bool
	c := &cobra.Command{
		Use: "rotate", Short: "Change the root certificate of the cluster", Args: noArgs,
		Long: `Leads the cluster to another root certificate: a new one of its own, or the one in
--ca-cert. Every node gets a new certificate while all goes on. Then the old root
is forgotten, and the join tokens change.

A node that is down holds it up until it is back or removed ("swarmgit node rm").
With another root, or with --abort, a rotation that is under way is given up.`,
		Example: "  swarmgit ca rotate\n  swarmgit ca rotate --ca-cert root.pem --ca-key root-key.pem\n" +
			"  swarmgit ca rotate --ca-cert root.pem --external-ca https://ca.example.com:8888",
		RunE: func(c *cobra.Command, _ []string) error {
			request, err := rotateRequest(cert, key, external, abort)
			if err != nil {
				return fmt.Errorf("ca rotate: %w", err)
			}
			client, err := opt.connect()
			if err != nil {
				return err
			}
			if _, err := api.RotateCA.Call(c.Context(), client, request); err != nil {
				return fmt.Errorf("ca rotate: %w", err)
			}
			if detach {
				return nil
			}
			return watchCA(c, opt, false)
		},
	}
	c.Flags().StringVar(&cert, "ca-cert", "", "file with the new root certificate (PEM)")
	c.Flags().StringVar(&key, "ca-key", "", "file with its key (PEM)")
	c.Flags().StringArrayVar(&external, "external-ca", nil, "CFSSL server that signs for the new root; may be repeated, the first that answers is asked")
	c.Flags().BoolVar(&abort, "abort", false, "end the rotation that is under way: nodes go back to the present root")
	c.Flags().BoolVarP(&detach, "detach", "d", false, "do not wait for its end")
	return c
}

// rotateRequest reads what the flags name.
func rotateRequest(cert, key string, external []string, abort bool) (api.RotateCARequest, error) {
	request := api.RotateCARequest{External: external, Abort: abort}
	if abort && (cert != "" || key != "" || len(external) > 0) {
		return request, errors.New("--abort leads back to the present root: leave the other flags out")
	}
	for _, file := range []struct {
		path string
		keep func(text string)
	}{
		{cert, func(text string) { request.Cert = text }},
		{key, func(text string) { request.Key = specs.Hidden(text) }},
	} {
		if file.path == "" {
			continue
		}
		text, err := os.ReadFile(file.path)
		if err != nil {
			return request, err
		}
		file.keep(string(text))
	}
	return request, nil
}

// watchCA prints the progress of a rotation until it is done, or as it is now.
func watchCA(c *cobra.Command, opt *options, once bool) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	for progress, err := range api.WatchCA.Call(c.Context(), client, api.Empty{}) {
		if err != nil {
			return err
		}
		err := opt.print(c.OutOrStdout(), progress, func(w io.Writer) { fmt.Fprintln(w, progress.Text) })
		if err != nil || once || progress.Done {
			return err
		}
	}
	return errors.New("ca: the daemon went away: the rotation goes on without it; see \"swarmgit ca status\"")
}

func clusterCommand(opt *options) *cobra.Command {
	var expiry, orphan time.Duration
	var path string
	update := &cobra.Command{
		Use: "update", Short: "Change settings of the cluster", Args: noArgs,
		Example: "  swarmgit cluster update --cert-expiry 720h\n  swarmgit cluster update --orphan-after 6h\n" +
			"  swarmgit cluster update --path environments/prod",
		RunE: func(c *cobra.Command, _ []string) error {
			request := api.UpdateClusterRequest{}
			if err := notNegative("orphan-after", orphan); err != nil {
				return err
			}
			if err := notNegative("cert-expiry", expiry); err != nil {
				return err
			}
			if c.Flags().Changed("cert-expiry") {
				request.CertExpiry = new(specs.Duration(expiry))
			}
			if c.Flags().Changed("orphan-after") {
				request.OrphanAfter = new(specs.Duration(orphan))
			}
			if c.Flags().Changed("path") {
				request.Path = &path
			}
			client, err := opt.connect()
			if err != nil {
				return err
			}
			_, err = api.UpdateCluster.Call(c.Context(), client, request)
			return err
		},
	}
	update.Flags().DurationVar(&expiry, "cert-expiry", 0, "how long the certificates of nodes are good that are issued from now on; 0 is 2160h (90 days), 1h the least")
	update.Flags().DurationVar(&orphan, "orphan-after", 0, "how long a node may be down before its tasks are given up as orphaned; 0 is 24h")
	update.Flags().StringVar(&path, "path", "", "the folder of the cluster's own remote that holds the stacks, from the next push on; \"\" is the root")
	return group("cluster", "Show and change the cluster as a whole", clusterInspectCommand(opt), update)
}
