package main

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func gitURLCommand(opt *options) *cobra.Command {
	var withToken bool
	var remote string
	c := &cobra.Command{
		Use: "git-url", Short: "Print the cluster's Git remote, or add it to this repository", Args: noArgs,
		Long: `Prints the URL of the cluster's own remote.

With --add NAME the remote is added to the repository in the current directory,
together with a credential helper that asks the daemon for a short-lived token:
after that "git push NAME" just works, and no secret lies on disk.

With --with-token the URL holds a lasting token: for machines that cannot ask
the daemon. Whoever has it can push, until "swarmgit token rm" ends it.`,
		Example: "  swarmgit git-url --add swarm\n  git push swarm main\n  git clone $(swarmgit git-url --with-token) stacks",
		RunE: func(c *cobra.Command, _ []string) error {
			adds := c.Flags().Changed("add")
			switch {
			case adds && withToken:
				return errors.New("git-url: --add with --with-token would leave the token in .git/config: --add alone needs none, its helper asks the daemon")
			case adds:
				return addCluster(c, opt, remote)
			}
			client, url, err := clusterURL(c, opt)
			if err != nil {
				return err
			}
			if withToken {
				return printWithToken(c, client, url)
			}
			fmt.Fprintln(c.OutOrStdout(), url)
			return nil
		},
	}
	c.Flags().BoolVar(&withToken, "with-token", false, "put a lasting token into the URL")
	c.Flags().StringVar(&remote, "add", "", "add it as this remote to the repository here, with a credential helper")
	return c
}

// printWithToken prints the URL with a new lasting token in it.
func printWithToken(c *cobra.Command, client *wire.Client, remote string) error {
	token, err := api.CreateToken.Call(c.Context(), client, api.CreateTokenRequest{Role: specs.Admin})
	if err != nil {
		return fmt.Errorf("git-url: %w", err)
	}
	fmt.Fprintln(c.OutOrStdout(), strings.Replace(remote, "://", "://swarmgit:"+string(token.Token)+"@", 1))
	return nil
}

// clusterURL asks the daemon for the cluster's remote.
func clusterURL(c *cobra.Command, opt *options) (*wire.Client, string, error) {
	client, err := opt.connect()
	if err != nil {
		return nil, "", err
	}
	reply, err := api.GitURL.Call(c.Context(), client, api.Empty{})
	return client, reply.URL, err
}

// addCluster adds the cluster's remote to the repository here. It does nothing
// before all is known that it needs.
func addCluster(c *cobra.Command, opt *options, name string) error {
	if name == "" {
		return errors.New("git-url: --add needs a name for the remote: git-url --add swarm")
	}
	helper, err := credentialHelper(opt)
	if err != nil {
		return fmt.Errorf("git-url --add %s: %w", name, err)
	}
	_, url, err := clusterURL(c, opt)
	if err != nil {
		return err
	}
	return addRemote(c, name, url, helper)
}

// addRemote makes the remote, or corrects its URL, and the helper that Git asks
// for its password. Only the repository's own configuration is written.
func addRemote(c *cobra.Command, name, url, helper string) error {
	verb := "add"
	if exec.CommandContext(c.Context(), "git", "remote", "get-url", name).Run() == nil {
		verb = "set-url"
	}
	base, _, _ := strings.Cut(url, "/git/")
	section := "credential." + base + ".helper"
	for _, args := range [][]string{
		{"remote", verb, name, url},
		{"config", "--replace-all", section, ""}, // others, which would store the token, are not asked
		{"config", "--add", section, helper},
	} {
		if err := git(c, args...); err != nil {
			return fmt.Errorf("git-url --add %s: %w", name, err)
		}
	}
	fmt.Fprintf(c.OutOrStdout(), "remote %s is %s: git push %s main\n", name, url, name)
	return nil
}

// credentialHelper is the shell command that Git runs, in whatever directory, to
// get a token.
func credentialHelper(opt *options) (string, error) {
	if host := opt.address(); isURL(host) {
		return "", fmt.Errorf("a token for each push is given over the daemon's own socket only, not at %s: run it on a manager, or add the remote yourself and give git a token of \"swarmgit token create\" as the password", host)
	}
	socket, err := opt.socket()
	if err != nil {
		return "", err
	}
	if socket, err = filepath.Abs(socket); err != nil {
		return "", err
	}
	return fmt.Sprintf("!%s --host %s git-credential", shellQuote(executable()), shellQuote(socket)), nil
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func git(c *cobra.Command, args ...string) error {
	if out, err := exec.CommandContext(c.Context(), "git", args...).CombinedOutput(); err != nil {
		return gitError(err, args[0], out)
	}
	return nil
}

// gitCredentialCommand is Git's side of --add: see gitcredentials(7).
func gitCredentialCommand(opt *options) *cobra.Command {
	return &cobra.Command{
		Use: "git-credential get|store|erase", Short: "Answer Git's questions for a password", Hidden: true, Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "get" {
				return nil // a token is made anew each time: nothing to store
			}
			for lines := bufio.NewScanner(c.InOrStdin()); lines.Scan() && lines.Text() != ""; {
			}
			token, err := askToken(c, opt)
			if err != nil {
				fmt.Fprintln(c.OutOrStdout(), "quit=1") // Git would ask the person for a password, who has none
				return fmt.Errorf("git-credential: no token for this push: %w", err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "username=swarmgit\npassword=%s\n", token)
			return err
		},
	}
}

// askToken gets a token that lasts for one push.
func askToken(c *cobra.Command, opt *options) (string, error) {
	client, err := opt.connect()
	if err != nil {
		return "", err
	}
	reply, err := api.GitURL.Call(c.Context(), client, api.Empty{})
	if err == nil && reply.Token == "" {
		err = errors.New("the daemon gave none")
	}
	return reply.Token, err
}
