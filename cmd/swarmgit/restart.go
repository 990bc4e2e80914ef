package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func serviceRestartCommand(opt *options) *cobra.Command {
	var req api.RestartServiceRequest
	var detach bool
	c := &cobra.Command{
		Use: "restart SERVICE", Short: "Replace all tasks of a service, as its update_config says", Args: oneArg,
		Long: `Replaces all tasks of a service without a change in Git: a rollout like any other,
with the order, the pace and the failure action of its update_config. With --pull
its image's tag is looked up again, and the new tasks run what it means now.

Ctrl-C ends the showing, never the restart. Exit status: 0 completed, 3 paused,
1 error.`,
		Example: "  swarmgit service restart shop_web\n  swarmgit service restart --pull -d shop/web",
		RunE: func(c *cobra.Command, args []string) error {
			req.Name = args[0]
			client, err := opt.connect()
			if err != nil {
				return err
			}
			svc, err := api.RestartService.Call(c.Context(), client, req)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s restarts%s\n", svc.Spec.Name, withImage(svc, req.Pull))
			if detach {
				return nil
			}
			return watchRollout(c, client, svc)
		},
	}
	c.Flags().BoolVar(&req.Pull, "pull", false, "with what the tag of its image means now")
	c.Flags().BoolVarP(&detach, "detach", "d", false, "do not wait for its end")
	return c
}

func withImage(svc api.Service, pulled bool) string {
	if !pulled {
		return ""
	}
	return " with " + svc.Task.Image
}

// watchRollout prints how a service's rollout gets on, until it has ended.
func watchRollout(c *cobra.Command, client *wire.Client, svc api.Service) error {
	name := svc.Spec.Name
	for reply, err := range api.WatchRollout.Call(c.Context(), client, api.ByName{Name: svc.ID}) {
		switch {
		case err != nil && c.Context().Err() != nil:
			fmt.Fprintf(c.ErrOrStderr(), "swarmgit: service restart: not shown any more; the restart goes on: see \"swarmgit service ps %s\"\n", name)
			return exitCode(interrupted)
		case err != nil:
			return fmt.Errorf("service restart: the restart of %s is not shown any more, it goes on: %w", name, err)
		case reply.Rollout == nil:
			fmt.Fprintln(c.OutOrStdout(), reply.Line)
		case reply.Rollout.State == specs.RolloutCompleted:
			return nil
		default:
			return exitCode(3)
		}
	}
	return fmt.Errorf("service restart: the daemon went away; the restart of %s goes on: see \"swarmgit service ps %s\"", name, name)
}
