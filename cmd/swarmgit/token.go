package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func tokenCommand(opt *options) *cobra.Command {
	return group("token", "Make, list and remove tokens for the HTTP port", tokenCreateCommand(opt), tokenListCommand(opt), tokenRemoveCommand(opt))
}

func tokenCreateCommand(opt *options) *cobra.Command {
	var name, role string
	var expires time.Duration
	c := &cobra.Command{
		Use: "create --role admin|viewer", Short: "Make a token, and print it this one time", Args: noArgs,
		Long: `Makes a token for who asks over HTTP, on any manager, and prints it. The cluster
keeps only its hash.

viewer  look and plan: status, lists, plan, review, wait. Not Git and not logs,
        in which secrets may stand in the clear. Its plan of a directory compares
        no secrets, and asks no registry that the cluster has nothing to do with;
        many at once wait for their turn
admin   all that is answered over HTTP: push too

It is shown to swarmgit in SWARMGIT_TOKEN, to curl as "Authorization: Bearer", to
Git as the password.`,
		Example: "  swarmgit token create --role viewer --name ci --expires 2160h\n" +
			"  SWARMGIT_HOST=http://127.0.0.1:2378 SWARMGIT_TOKEN=swarmgit-... swarmgit plan",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := notNegative("expires", expires); err != nil {
				return err
			}
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.CreateToken.Call(c.Context(), client, api.CreateTokenRequest{
				Role: specs.AccessRole(role), Name: name, Expires: specs.Duration(expires),
			})
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply, func(w io.Writer) {
				fmt.Fprintln(c.ErrOrStderr(), "token "+reply.Name+" of the role "+role+"; it is not shown again:")
				fmt.Fprintln(w, string(reply.Token))
			})
		},
	}
	c.Flags().StringVar(&role, "role", "", "admin or viewer")
	c.Flags().StringVar(&name, "name", "", "how to call it (default: the role and some letters)")
	c.Flags().DurationVar(&expires, "expires", 0, "how long it is good, such as 720h; 0 is until it is removed")
	return opt.formatFlag(c)
}

func tokenListCommand(opt *options) *cobra.Command {
	return opt.formatFlag(&cobra.Command{
		Use: "ls", Short: "List the tokens, not their secrets", Args: noArgs, Example: "  swarmgit token ls",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.ListTokens.Call(c.Context(), client, api.Empty{})
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply.Tokens, func(w io.Writer) { printTokens(w, reply.Tokens, time.Now()) })
		},
	})
}

func printTokens(w io.Writer, tokens []api.Token, now time.Time) {
	var rows [][]string
	for _, t := range tokens {
		expires := "never"
		switch {
		case t.Expired:
			expires = "expired " + ago(now, t.Expires)
		case !t.Expires.IsZero():
			expires = "in " + span(t.Expires.Sub(now))
		}
		rows = append(rows, []string{t.Name, string(t.Role), ago(now, t.Created), expires})
	}
	table(w, "NAME\tROLE\tCREATED\tEXPIRES", rows)
}

func tokenRemoveCommand(opt *options) *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME...", Short: "Remove tokens: they open nothing from then on", Args: someArgs, Example: "  swarmgit token rm ci",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			return removeEach(c, args, func(name string) error {
				_, err := api.RemoveToken.Call(c.Context(), client, api.ByName{Name: name})
				return err
			})
		},
	}
}
