package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Docker's verbs that write workloads. Git alone writes them here, so each of
// these answers with the place to edit, and fails.

// elsewhere makes a verb that takes any of Docker's flags.
func elsewhere(c *cobra.Command) *cobra.Command {
	c.FParseErrWhitelist.UnknownFlags = true
	c.Long = "Changes nothing: it says which file of the repository to change instead, and at\nwhich line. The cluster runs what Git says."
	return c
}

func serviceCreateCommand() *cobra.Command {
	return elsewhere(&cobra.Command{
		Use: "create [ANYTHING]", Short: "Say where a new service is written",
		Example: "  swarmgit service create nginx",
		RunE: func(*cobra.Command, []string) error {
			return errors.New(`service create: services come from Git: write it below "services:" of stacks/STACK/stack.yml, commit and git push`)
		},
	})
}

// fieldOfFlag are the fields that Docker's flags of "service update" change.
var fieldOfFlag = []struct{ flag, field string }{
	{"image", "image"}, {"replicas", "deploy.replicas"}, {"args", "command"}, {"entrypoint", "entrypoint"},
	{"env-add", "environment"}, {"env-rm", "environment"}, {"user", "user"}, {"workdir", "working_dir"}, {"hostname", "hostname"},
	{"mount-add", "volumes"}, {"mount-rm", "volumes"}, {"label-add", "deploy.labels"}, {"label-rm", "deploy.labels"},
	{"limit-cpu", "deploy.resources.limits.cpus"}, {"limit-memory", "deploy.resources.limits.memory"},
	{"reserve-cpu", "deploy.resources.reservations.cpus"}, {"reserve-memory", "deploy.resources.reservations.memory"},
	{"constraint-add", "deploy.placement.constraints"}, {"constraint-rm", "deploy.placement.constraints"},
	{"update-parallelism", "deploy.update_config.parallelism"}, {"update-delay", "deploy.update_config.delay"},
	{"update-order", "deploy.update_config.order"}, {"stop-grace-period", "stop_grace_period"},
}

func serviceUpdateCommand(opt *options) *cobra.Command {
	c := elsewhere(&cobra.Command{
		Use: "update SERVICE", Short: "Say where a service is written", Args: oneArg,
		Example: "  swarmgit service update shop_web\n  swarmgit service update --image nginx:1.29 shop_web",
	})
	for _, f := range fieldOfFlag {
		c.Flags().StringArray(f.flag, nil, "say where "+f.field+" is written")
	}
	c.Flags().BoolP("detach", "d", false, "as in Docker; means nothing here")
	c.RunE = func(c *cobra.Command, args []string) error {
		req := api.FindOriginRequest{Service: args[0]}
		for _, f := range fieldOfFlag {
			if c.Flags().Changed(f.flag) {
				req.Field = f.field
				break
			}
		}
		return opt.written(c.Context(), "service update", req, change)
	}
	return c
}

func serviceScaleCommand(opt *options) *cobra.Command {
	return elsewhere(&cobra.Command{
		Use: "scale SERVICE=REPLICAS", Short: "Say where a service's number of tasks is written", Args: oneArg,
		Example: "  swarmgit service scale shop_web=5",
		RunE: func(c *cobra.Command, args []string) error {
			name, _, _ := strings.Cut(args[0], "=")
			return opt.written(c.Context(), "service scale", api.FindOriginRequest{Service: name, Field: "deploy.replicas"}, change)
		},
	})
}

func serviceRollbackCommand(opt *options) *cobra.Command {
	return elsewhere(&cobra.Command{
		Use: "rollback SERVICE", Short: "Say where a service is written, to go back", Args: oneArg,
		Example: "  swarmgit service rollback shop_web",
		RunE: func(c *cobra.Command, args []string) error {
			return opt.written(c.Context(), "service rollback", api.FindOriginRequest{Service: args[0]}, goBack)
		},
	})
}

func serviceRemoveCommand(opt *options) *cobra.Command {
	return elsewhere(&cobra.Command{
		Use: "rm SERVICE", Short: "Say where a service is written, to take it out", Args: oneArg,
		Example: "  swarmgit service rm shop_web",
		RunE: func(c *cobra.Command, args []string) error {
			return opt.written(c.Context(), "service rm", api.FindOriginRequest{Service: args[0]}, takeOut)
		},
	})
}

func stackDeployCommand(opt *options) *cobra.Command {
	c := elsewhere(&cobra.Command{
		Use: "deploy STACK", Short: "Say where a stack is written", Args: oneArg,
		Example: "  swarmgit stack deploy -c docker-stack.yml shop",
		RunE: func(c *cobra.Command, args []string) error {
			err := opt.written(c.Context(), "stack deploy", api.FindOriginRequest{Stack: args[0]}, change)
			if wire.KindOf(err) == wire.NotFound {
				return fmt.Errorf("stack deploy: stacks come from Git: put its file into the repository as stacks/%s/stack.yml, commit and git push", args[0])
			}
			return err
		},
	})
	c.Flags().StringArrayP("compose-file", "c", nil, "as in Docker; means nothing here")
	return c
}

func stackRemoveCommand(opt *options) *cobra.Command {
	return elsewhere(&cobra.Command{
		Use: "rm STACK", Short: "Say where a stack is written, to take it out", Args: oneArg,
		Example: "  swarmgit stack rm shop",
		RunE: func(c *cobra.Command, args []string) error {
			return opt.written(c.Context(), "stack rm", api.FindOriginRequest{Stack: args[0]}, takeOut)
		},
	})
}

// What to do at a place.
const (
	change  = "change it there"
	takeOut = "take it out there"
	goBack  = "undo there what changed it (git revert COMMIT)"
)

// written is the error that says where what was asked for is written, and what
// to do there. Without a cluster it says so in general.
func (o *options) written(ctx context.Context, verb string, req api.FindOriginRequest, do string) error {
	client, err := o.connect()
	if err != nil {
		return err
	}
	at, err := api.FindOrigin.Call(ctx, client, req)
	switch wire.KindOf(err) {
	case wire.Unavailable, wire.Unimplemented:
		return fmt.Errorf("%s: workloads are written by Git alone: find %s in its stack file, %s, commit and git push (the line is not known: %w)",
			verb, req.Service+req.Stack, do, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return errors.New(verb + ": " + whereItIs(at, req.Field) + ": " + do + ", commit and git push")
}

// whereItIs is "shop_web is what stacks/shop/stack.yml:9 says (deploy.replicas: 3)".
func whereItIs(at api.Origin, field string) string {
	text := at.Name + " is what " + at.ShortString()
	if at.Repository != "" {
		text += " in " + at.Repository
	}
	text += " says"
	switch {
	case field == "":
		return text
	case !at.Written:
		return text + " (no " + field + " yet)"
	case at.Value == "":
		return text + " (" + field + ")"
	}
	return text + " (" + field + ": " + at.Value + ")"
}
