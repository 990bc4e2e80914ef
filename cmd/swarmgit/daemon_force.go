package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func daemonForceCommand() *cobra.Command {
	var dataDir string
	var yes bool
	c := &cobra.Command{
		Use: "force-new-cluster", Short: "Go on with one manager after the majority of them is lost for ever", Args: noArgs,
		Long: `Makes the manager of a data directory, whose daemon has been stopped before, the
only manager of its cluster. It keeps all that it has: services, tasks, nodes,
revisions, the Git repository, the certificate authority and the join tokens. No
task is restarted, workers find it again, and other managers can join after that.
It is for when so many managers are lost for ever that those which are left cannot
agree on anything; "swarmgit status" says so.

The other managers are removed from the cluster. What only they had acknowledged is
lost, so choose the manager whose newest change is the newest: without --yes the
command shows that, and changes nothing.

Be sure that the others are off, or cannot be reached by any node. It is refused
while a manager leads; but a majority on the far side of a broken network goes on
by itself, and then two clusters give orders to the same workers. A manager that
comes back later with its old data is not let in, and says so: end it there with
"swarmgit leave --force", and join it as a new node.

A certificate that has run out does not matter: the daemon gives itself another.`,
		Example: "  sudo swarmgit daemon force-new-cluster          # shows what would be kept and lost\n" +
			"  sudo swarmgit daemon force-new-cluster --yes\n  sudo swarmgit daemon",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := forceNewCluster(c.Context(), c.OutOrStdout(), dataDir, yes); err != nil {
				return fmt.Errorf("force-new-cluster: %w", err)
			}
			fmt.Fprintln(c.OutOrStdout(), "This is the only manager from now on. Start its daemon, then have others join: swarmgit join-token manager")
			return nil
		},
	}
	dataDirFlag(c.Flags(), &dataDir, defaultDataDir())
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}

// forceNewCluster shows what would become of the cluster, and does it if yes. It
// holds the directory's lock meanwhile: no daemon may work there.
func forceNewCluster(ctx context.Context, out io.Writer, dataDir string, yes bool) error {
	if err := mayUse(dataDir); err != nil {
		return err
	}
	id, err := identity.Load(identityDir(dataDir))
	switch {
	case errors.Is(err, identity.ErrNone):
		return fmt.Errorf("%s holds no node: name its directory with --data-dir", dataDir)
	case err != nil && !errors.Is(err, identity.ErrExpired):
		return err
	}
	self := id.Credentials().Self()
	if self.Role != specs.Manager {
		return errors.New("this node is a worker, and has nothing of the cluster's data: run it on a manager")
	}
	lock, err := lockDataDir(dataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	return reconciler.Recover(dataDir, self.NodeID, quietLog(), func(r reconciler.Remains) error {
		replies := id.Credentials().Standings(ctx, addrsOf(r.Others))
		printRemains(out, r, replies, time.Now())
		if err := mayForce(replies, self.NodeID); err != nil || yes {
			return err
		}
		return errors.New("nothing has changed: give --yes to do it")
	})
}

func addrsOf(managers []wire.Manager) (addrs []string) {
	for _, m := range managers {
		addrs = append(addrs, m.Addr)
	}
	return addrs
}

// mayForce refuses while the cluster goes on without this manager.
func mayForce(replies map[string]wire.StandingReply, nodeID string) error {
	for _, addr := range slices.Sorted(maps.Keys(replies)) {
		switch reply := replies[addr]; {
		case reply.Removed:
			return fmt.Errorf("refused: the manager at %s says that this node, %s, was removed: the cluster goes on without it", addr, nodeID)
		case reply.Leader != "":
			return fmt.Errorf("refused: the manager at %s leads the cluster: start this daemon as it is, or take this node out there (swarmgit node demote %s)", reply.Leader, nodeID)
		}
	}
	return nil
}

// printRemains is what this manager has, and who the others are.
func printRemains(w io.Writer, r reconciler.Remains, replies map[string]wire.StandingReply, now time.Time) {
	fmt.Fprintf(w, "%s: the newest change that this manager has is of %s, %s ago\n", r.Cluster, r.Newest.Format(time.DateTime), span(now.Sub(r.Newest)))
	if rev := r.Revision; rev.ID != "" {
		fmt.Fprintf(w, "main: %s %q\n", shortCommit(rev.Commit), rev.Subject)
	}
	for _, m := range r.Others {
		answers := "no answer"
		if _, ok := replies[m.Addr]; ok {
			answers = "it answers, and knows no leader: stop it before"
		}
		fmt.Fprintf(w, "  removed: manager %s at %s: %s\n", r.Hostname(m.NodeID), m.Addr, answers)
	}
	if len(r.Others) == 0 {
		fmt.Fprintln(w, "  it is the only manager already")
	}
}
