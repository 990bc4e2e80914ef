package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
)

func daemonEndCommand() *cobra.Command {
	var dataDir string
	c := &cobra.Command{
		Use: "end", Short: "Stop what goes on after a daemon has stopped", Args: cobra.NoArgs,
		Long: `Stops the containers, the private containerd and the log keeper of a data
directory, whose daemon has been stopped before. The data is kept: a daemon that
is started there again goes on with the same cluster, and starts its tasks anew.
To be rid of the cluster, remove the data directory after this.

Containers in a containerd that the daemon got by --containerd are not touched:
there, remove the stacks by a push before the daemon is stopped.`,
		Example: "  sudo swarmgit daemon end\n  sudo swarmgit daemon end --data-dir /srv/swarmgit",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := endNode(c.Context(), dataDir); err != nil {
				return err
			}
			what := "the containers, the private containerd and the log keeper"
			if _, err := os.Stat(filepath.Join(dataDir, "containerd")); os.IsNotExist(err) {
				what = "the log keeper"
			}
			fmt.Fprintf(c.OutOrStdout(), "ended: %s of %s; its data is kept\n", what, dataDir)
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data-dir", defaultDataDir(), "where the node keeps everything")
	return c
}

// endNode ends what outlives the daemon of a data directory. It holds the
// directory's lock meanwhile: no daemon may work there.
func endNode(ctx context.Context, dataDir string) error {
	if _, err := os.Stat(identityDir(dataDir)); err != nil {
		return fmt.Errorf("daemon end: %s holds no node: name its directory with --data-dir", dataDir)
	}
	lock, err := lockDataDir(dataDir)
	if err != nil {
		return fmt.Errorf("daemon end: %w", err)
	}
	defer lock.Close()
	return endWorker(ctx, dataDir)
}

// endWorker ends what outlives a daemon: containers, the private containerd and
// the log keeper.
func endWorker(ctx context.Context, dataDir string) error {
	managed, err := containerd.NewManaged(containerd.ManagedConfig{DataDir: dataDir, Log: quietLog()})
	if err != nil {
		return err
	}
	if err := managed.Shutdown(ctx); err != nil {
		return fmt.Errorf("end the private containerd: %w", err)
	}
	if err := newNodeLogs(dataDir, quietLog()).Stop(ctx); err != nil {
		return fmt.Errorf("end the log keeper: %w", err)
	}
	return nil
}
