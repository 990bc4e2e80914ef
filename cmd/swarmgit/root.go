package main

import (
	"encoding/json"
	"io"
	"strings"

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
shows the plan and the rollout. The commands here look, preview and wait, and keep
what is in no stack file: nodes, sources, tokens, secrets that no repository holds.`,
		Example:       "  swarmgit plan\n  git push swarm main\n  swarmgit service ps shop_web",
		Args:          noCommand,
		RunE:          help,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&opt.host, "host", "", "the daemon's socket, or its http:// address with a token in $SWARMGIT_TOKEN (default: $SWARMGIT_HOST, else /run/swarmgit/swarmgit.sock, or your runtime directory)")
	root.SetVersionTemplate("swarmgit {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	root.AddCommand(
		daemonCommand(), devCommand(), demoCommand(),
		validateCommand(opt), planCommand(opt), diffCommand(opt), reviewCommand(opt), statusCommand(opt), waitCommand(opt), revisionsCommand(opt), eventsCommand(opt),
		gitURLCommand(opt), gitCredentialCommand(opt), imageCommand(opt), registryCommand(opt), nodeCommand(opt), fileCommand(opt, specs.Secret), fileCommand(opt, specs.Config), ageKeyCommand(opt),
		serviceCommand(opt), stackCommand(opt), taskCommand(opt), execCommand(opt),
		sourceCommand(opt), approveCommand(opt), joinTokenCommand(opt), tokenCommand(opt), leaveCommand(opt), caCommand(opt), clusterCommand(opt), completionCommand(), versionCommand(),
	)
	completeNames(root, opt)
	return root
}

func help(c *cobra.Command, _ []string) error { return c.Help() }

// helpCommand is for who types "swarmgit help service ps".
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]...", Short: "Show the help of a command", Hidden: true,
		Example: "  swarmgit help service ps",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(found, rest)
			}
			return found.Help()
		},
	}
}

// group is a command that only holds others; alone it prints its help, with the first
// example of each.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noCommand, RunE: help}
	c.AddCommand(children...)
	var examples []string
	for _, child := range children {
		first, _, _ := strings.Cut(child.Example, "\n")
		examples = append(examples, first)
	}
	c.Example = strings.Join(examples, "\n")
	return c
}

// formatFlag adds -o text|json.
func (o *options) formatFlag(c *cobra.Command) *cobra.Command {
	return o.outputFlag(c, "text or json", "text", "json")
}

// outputFlag adds -o with the forms that the command has.
func (o *options) outputFlag(c *cobra.Command, usage string, forms ...string) *cobra.Command {
	o.format = "text"
	c.Flags().VarP(&choice{&o.format, forms}, "output", "o", usage)
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
	if o.format == "json" {
		return printJSON(w, value)
	}
	text(w)
	return nil
}
