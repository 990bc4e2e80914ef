package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func waitCommand(opt *options) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use: "wait [REV]", Short: "Wait until a revision is healthy", Args: optionalArg,
		Long: `Waits until a revision has ended: the commit REV, or the newest one that was
pushed.

Exit status: 0 healthy (or superseded by one that is), 2 failed or rolled back,
3 paused or awaiting approval, 4 timeout, 1 error.`,
		Example: "  git push -o no-wait && swarmgit wait\n  swarmgit wait 7bd31c2 --timeout 5m",
		RunE: func(c *cobra.Command, args []string) error {
			if err := notNegative("timeout", timeout); err != nil {
				return err
			}
			ctx := c.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			rev := ""
			if len(args) == 1 {
				rev = args[0]
			}
			err := wait(ctx, c, opt, rev)
			if errors.Is(err, context.DeadlineExceeded) {
				fmt.Fprintf(c.ErrOrStderr(), "swarmgit: wait: not done after %s; the rollout goes on: see \"swarmgit status\"\n", timeout)
				return exitCode(4)
			}
			return err
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 0, "give up after this long; 0 is never")
	return c
}

func wait(ctx context.Context, c *cobra.Command, opt *options, rev string) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	for reply, err := range api.Wait.Call(ctx, client, api.WaitRequest{Rev: rev}) {
		switch {
		case err != nil:
			return err
		case reply.Revision == nil:
			fmt.Fprintln(c.OutOrStdout(), reply.Line)
		default:
			return waitResult(reply.Revision.Progress.State)
		}
	}
	return errors.New("wait: the daemon went away: the rollout goes on without it; ask again")
}

func waitResult(state specs.RevisionState) error {
	switch state {
	case specs.RevisionHealthy, specs.RevisionSuperseded:
		return nil
	case specs.RevisionPaused, specs.RevisionAwaiting:
		return exitCode(3)
	case specs.RevisionFailed, specs.RevisionRolledBack, specs.RevisionRefused:
		return exitCode(2)
	}
	return exitCode(1)
}
