package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// shells are those that completion knows, and what writes the script of one.
var shells = map[string]func(*cobra.Command, io.Writer) error{
	"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
	"zsh":        (*cobra.Command).GenZshCompletion,
}

func completionCommand() *cobra.Command {
	known := slices.Sorted(maps.Keys(shells))
	c := &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", Short: "Print a script by which a shell completes swarmgit's commands", Args: oneArg,
		Long: `Prints a script by which a shell completes commands and flags, and the names of
services, tasks, nodes and the like, which it asks the daemon for. Bash needs its
bash-completion package.`,
		Example: `  source <(swarmgit completion bash)
  swarmgit completion bash | sudo tee /etc/bash_completion.d/swarmgit
  swarmgit completion zsh > "${fpath[1]}/_swarmgit"
  swarmgit completion fish > ~/.config/fish/completions/swarmgit.fish
  swarmgit completion powershell >> $PROFILE`,
		ValidArgs: known,
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		write, ok := shells[args[0]]
		if !ok {
			return fmt.Errorf("completion %s: the shells are bash, zsh, fish and powershell", args[0])
		}
		return write(c.Root(), c.OutOrStdout())
	}
	return c
}

// completionLimit is how long a person waits for names after a press of the key.
const completionLimit = 2 * time.Second

// names are those that the cluster has of what a use line calls SERVICE, TASK, ...
var names = map[string]func(context.Context, *wire.Client) ([]string, error){
	"SERVICE": func(ctx context.Context, client *wire.Client) ([]string, error) {
		reply, err := api.ListServices.Call(ctx, client, api.ListServicesRequest{})
		return each(reply.Services, func(s api.Service) string { return s.Spec.Name }), err
	},
	"TASK": func(ctx context.Context, client *wire.Client) ([]string, error) {
		reply, err := api.ListTasks.Call(ctx, client, api.ListTasksRequest{})
		return each(reply.Tasks, runningName), err
	},
	"NODE": func(ctx context.Context, client *wire.Client) ([]string, error) {
		reply, err := api.ListNodes.Call(ctx, client, api.Empty{})
		return each(reply.Nodes, func(n api.Node) string { return n.Seen.Description.Hostname }), err
	},
	"STACK": func(ctx context.Context, client *wire.Client) ([]string, error) {
		reply, err := api.ListStacks.Call(ctx, client, api.Empty{})
		return each(reply.Stacks, func(s api.Stack) string { return s.Name }), err
	},
	"SOURCE": func(ctx context.Context, client *wire.Client) ([]string, error) {
		reply, err := api.ListSources.Call(ctx, client, api.Empty{})
		return each(reply.Sources, func(s api.Source) string { return s.Name }), err
	},
	"REV": func(ctx context.Context, client *wire.Client) ([]string, error) {
		reply, err := api.ListRevisions.Call(ctx, client, api.ListRevisionsRequest{Limit: 20})
		return each(reply.Revisions, func(r api.Revision) string { return shortCommit(r.Commit) }), err
	},
}

// runningName is the name of a task that runs, else "".
func runningName(t api.Task) string {
	if t.State != specs.StateRunning {
		return ""
	}
	return t.Name
}

// each are the names of all, without empty ones.
func each[T any](all []T, name func(T) string) []string {
	var found []string
	for _, one := range all {
		if n := name(one); n != "" {
			found = append(found, n)
		}
	}
	return found
}

// completeNames has the arguments of c, and of the commands below it, completed as
// their use lines name them.
func completeNames(c *cobra.Command, opt *options) {
	for _, child := range c.Commands() {
		completeNames(child, opt)
	}
	for _, kind := range strings.FieldsFunc(c.Use, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		if list, ok := names[kind]; ok && c.ValidArgsFunction == nil {
			c.ValidArgsFunction = completer(opt, list, strings.Contains(c.Use, kind+"..."))
		}
	}
}

// completer completes the first argument, or all of them.
func completer(opt *options, list func(context.Context, *wire.Client) ([]string, error), all bool) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !all {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(c.Context(), completionLimit)
		defer cancel()
		client, err := opt.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer client.Close()
		found, err := list(ctx, client)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
