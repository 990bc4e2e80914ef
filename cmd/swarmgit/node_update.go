package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func nodeUpdateCommand(opt *options) *cobra.Command {
	var req api.UpdateNodeRequest
	var add []string
	var detach bool
	var deadline time.Duration
	c := &cobra.Command{
		Use: "update NODE", Short: "Change a node's availability, labels or role", Args: oneArg,
		Long: `Changes what is wanted of a node: its ID or a beginning of it, its hostname, or self.

An active node gets tasks. A paused one keeps its tasks and gets none. A drained one
gets none, and its tasks are stopped and replaced on other nodes: that is shown until
the node is empty. Ctrl-C and --deadline end the showing, not the drain: tasks stop
in their own time, and nothing is killed harder.

Exit status of a drain: 0 the node is empty, 4 it was not before the deadline, 1 error.`,
		Example: "  swarmgit node update --availability drain n2\n  swarmgit node update --label-add zone=b --label-rm disk n2",
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if req.LabelAdd, err = parseLabels("--label-add", add); err != nil {
				return err
			}
			req.Name = args[0]
			if err := somethingToUpdate(req); err != nil {
				return err
			}
			if deadline != 0 && req.Availability != specs.Drain {
				return errors.New("node update: --deadline goes with --availability drain, which is shown: leave it out")
			}
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.UpdateNode.Call(c.Context(), client, req)
			if err != nil {
				return err
			}
			if req.Availability == specs.Drain && !detach {
				return watchDrain(c, client, reply.Node, deadline)
			}
			fmt.Fprintln(c.OutOrStdout(), req.Name)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar((*string)(&req.Availability), "availability", "", "active, pause or drain")
	f.StringVar((*string)(&req.Role), "role", "", "worker or manager")
	f.StringArrayVar(&add, "label-add", nil, "add or replace a node label key=value; may be repeated")
	f.StringArrayVar(&req.LabelRemove, "label-rm", nil, "remove a node label; may be repeated")
	f.DurationVar(&deadline, "deadline", 0, "end the showing of a drain after this long; 0 is never")
	f.BoolVarP(&detach, "detach", "d", false, "do not show the drain")
	return c
}

func somethingToUpdate(req api.UpdateNodeRequest) error {
	if req.Role == "" && req.Availability == "" && len(req.LabelAdd) == 0 && len(req.LabelRemove) == 0 {
		return errors.New("node update: nothing to change: give --availability, --role, --label-add or --label-rm")
	}
	return nil
}

func nodePromoteCommand(opt *options) *cobra.Command {
	return &cobra.Command{
		Use: "promote NODE...", Short: "Make nodes managers", Args: someArgs,
		Example: "  swarmgit node promote n2 n3",
		RunE: eachNode(opt, func(c *cobra.Command, client *wire.Client, name string) error {
			reply, err := api.UpdateNode.Call(c.Context(), client, api.UpdateNodeRequest{Name: name, Role: specs.Manager})
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), roleLine(name, specs.Manager, reply.Changed))
			}
			return err
		}),
	}
}

func nodeDemoteCommand(opt *options) *cobra.Command {
	return &cobra.Command{
		Use: "demote NODE...", Short: "Make managers workers", Args: someArgs,
		Long: `Makes managers workers. It is refused when the managers that would be left could not
agree on anything, and for the last manager.`,
		Example: "  swarmgit node demote n3",
		RunE: eachNode(opt, func(c *cobra.Command, client *wire.Client, name string) error {
			reply, err := api.UpdateNode.Call(c.Context(), client, api.UpdateNodeRequest{Name: name, Role: specs.Worker})
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), roleLine(name, specs.Worker, reply.Changed))
			}
			return err
		}),
	}
}

// roleLine is what became of a promotion or a demotion. The node takes the role
// a moment later: "node ls" shows when.
func roleLine(name string, role specs.Role, changed bool) string {
	if !changed {
		return fmt.Sprintf("Node %s is already a %s.", name, role)
	}
	return fmt.Sprintf("Node %s becomes a %s: see \"swarmgit node ls\".", name, role)
}

func nodeRemoveCommand(opt *options) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "rm NODE...", Short: "Remove nodes that are down from the cluster", Args: someArgs,
		Long: `Removes nodes from the cluster: their certificates are refused from then on, and
their tasks are given up and replaced. What runs on such a node goes on, beside its
replacement, until "swarmgit leave" there ends it. A manager has to be demoted first.`,
		Example: "  swarmgit node rm n4\n  swarmgit node rm --force n4",
		RunE: eachNode(opt, func(c *cobra.Command, client *wire.Client, name string) error {
			_, err := api.RemoveNode.Call(c.Context(), client, api.RemoveNodeRequest{Name: name, Force: force})
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), name)
			}
			return err
		}),
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "also a worker that is up")
	return c
}

// eachNode does something to every node that is named.
func eachNode(opt *options, do func(*cobra.Command, *wire.Client, string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, names []string) error {
		client, err := opt.connect()
		if err != nil {
			return err
		}
		return forEach(c, names, func(name string) error { return do(c, client, name) })
	}
}
