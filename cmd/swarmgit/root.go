package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/specs"
)

// options are the flags that every command understands.
type options struct {
	host   string
	format string // text or json
}

func rootCommand() *cobra.Command {
	opt := &options{}
	root := &cobra.Command{
		Use:   "swarmgit",
		Short: "Run containers on a cluster by git push",
		Long: `swarmgit runs the services that a Git repository asks for.

Push stack files (the Compose format) to the cluster's own remote; the push
shows the plan and the rollout. Everything else here looks, previews and waits.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&opt.host, "host", "", "the daemon's socket, or its http:// address with a token in $SWARMGIT_TOKEN (default: $SWARMGIT_HOST, else /run/swarmgit/swarmgit.sock, or your runtime directory)")
	root.SetVersionTemplate("swarmgit {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	nodes := nodeCommand(opt)
	nodes.AddCommand(nodeReadmitCommand(opt))
	root.AddCommand(
		daemonCommand(), devCommand(), demoCommand(),
		validateCommand(opt), planCommand(opt), diffCommand(opt), reviewCommand(opt), statusCommand(opt), waitCommand(opt), revisionsCommand(opt), eventsCommand(opt),
		gitURLCommand(opt), gitCredentialCommand(opt), imageCommand(opt), nodes, fileCommand(opt, specs.Secret), fileCommand(opt, specs.Config), ageKeyCommand(opt),
		serviceCommand(opt), stackCommand(opt), taskCommand(opt), execCommand(opt),
		sourceCommand(opt), approveCommand(opt), joinTokenCommand(opt), tokenCommand(opt), leaveCommand(opt), caCommand(opt), clusterCommand(opt), versionCommand(),
	)
	return root
}

// group is a command that only holds others; alone it prints its help.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(children...)
	return c
}

// formatFlag adds -o text|json.
func (o *options) formatFlag(c *cobra.Command) *cobra.Command {
	c.Flags().StringVarP(&o.format, "output", "o", "text", "text or json")
	return c
}

func printJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // ">= 0" is for people too
	return enc.Encode(value)
}

// print writes value as JSON when that was asked for, else calls text.
func (o *options) print(w io.Writer, value any, text func(io.Writer)) error {
	switch o.format {
	case "json":
		return printJSON(w, value)
	case "", "text":
		text(w)
		return nil
	}
	return fmt.Errorf("-o %s: unknown output form: use text or json", o.format)
}
