package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func registryCommand(opt *options) *cobra.Command {
	list := opt.formatFlag(&cobra.Command{
		Use: "ls", Short: "List the registries that the cluster has a login for", Args: noArgs,
		Example: "  swarmgit registry ls",
		RunE:    func(c *cobra.Command, _ []string) error { return registryList(c, opt) },
	})
	logout := &cobra.Command{
		Use: "logout HOST", Short: "Forget the login for a registry", Args: oneArg,
		Long: `Forgets the login for a registry, on the whole cluster. What runs goes on; images
that are on a node are used without asking anybody.`,
		Example: "  swarmgit registry logout registry.example:5000",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			removed, err := api.LogoutRegistry.Call(c.Context(), client, api.ByName{Name: args[0]})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "the login of %s for %s is forgotten\n", removed.User, removed.Host)
			return nil
		},
	}
	return group("registry", "Log the cluster in to registries, and out", registryLoginCommand(opt), list, logout)
}

func registryLoginCommand(opt *options) *cobra.Command {
	var req api.LoginRegistryRequest
	var fromInput bool
	c := &cobra.Command{
		Use: "login HOST", Short: "Log the whole cluster in to a registry", Args: oneArg,
		Long: `Keeps a user and a password, or a token in its place, for the registry HOST, as names
of images begin: docker.io, registry.example:5000. A login that was kept for it
before is replaced. It is tried first, and kept only if the registry takes it.

The managers look tags up with it, and each node pulls with it: it is asked for when
a task there needs an image of that registry, and stays in memory. It goes before
what "docker login" left on a machine.`,
		Example: "  swarmgit registry login registry.example -u deploy\n" +
			"  pass show registry | swarmgit registry login docker.io -u deploy --password-stdin",
		RunE: func(c *cobra.Command, args []string) (err error) {
			req.Host = args[0]
			if req.Login, err = askLogin(c, req.User, fromInput); err != nil {
				return fmt.Errorf("registry login %s: %w", req.Host, err)
			}
			client, err := opt.connect()
			if err != nil {
				return err
			}
			kept, err := api.LoginRegistry.Call(c.Context(), client, req)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is logged in to %s on every node\n", kept.User, kept.Host)
			return nil
		},
	}
	c.Flags().StringVarP(&req.User, "username", "u", "", "the user (default: it is asked for)")
	c.Flags().BoolVar(&fromInput, "password-stdin", false, "read the password from standard input")
	return c
}

// askLogin completes a login with what the person types, or standard input holds.
func askLogin(c *cobra.Command, user string, fromInput bool) (specs.Login, error) {
	if fromInput && user == "" {
		return specs.Login{}, errors.New("--password-stdin needs the user too: -u USER")
	}
	if fromInput {
		text, err := readFile(c, "-")
		return specs.Login{User: user, Password: specs.Hidden(strings.TrimRight(text, "\r\n"))}, err
	}
	in := input(c)
	if !isTerminal(c.InOrStdin()) {
		return specs.Login{}, errors.New("there is no terminal to ask for the password: give -u USER and --password-stdin")
	}
	if user == "" {
		fmt.Fprint(c.ErrOrStderr(), "User: ")
		var err error
		if user, err = readLine(in); err != nil {
			return specs.Login{}, err
		}
	}
	fmt.Fprint(c.ErrOrStderr(), "Password (not shown): ")
	restore, err := muteTerminal(c.InOrStdin())
	if err != nil {
		return specs.Login{}, err
	}
	password, err := readLine(in)
	restore()
	fmt.Fprintln(c.ErrOrStderr())
	return specs.Login{User: user, Password: specs.Hidden(password)}, err
}

func registryList(c *cobra.Command, opt *options) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListRegistries.Call(c.Context(), client, api.Empty{})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Registries, func(w io.Writer) {
		var rows [][]string
		for _, r := range reply.Registries {
			rows = append(rows, []string{r.Host, r.User, ago(time.Now(), r.Created)})
		}
		table(w, "HOST\tUSER\tSINCE", rows)
	})
}
