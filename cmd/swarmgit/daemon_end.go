package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/runtime/secrets"
)

func daemonEndCommand() *cobra.Command {
	var dataDir string
	c := &cobra.Command{
		Use: "end", Short: "Stop what goes on after a daemon has stopped", Args: noArgs,
		Long: `Stops the tasks, the private containerd and the log keeper of a data directory,
whose daemon has been stopped before. The data is kept: a daemon that is started
there again goes on with the same cluster, and starts its tasks anew.
To be rid of all of it: swarmgit daemon uninstall.

Containers in a containerd that the daemon got by --containerd are not touched:
there, remove the stacks by a push before the daemon is stopped.`,
		Example: "  sudo swarmgit daemon end\n  sudo swarmgit daemon end --data-dir /srv/swarmgit",
		RunE: func(c *cobra.Command, _ []string) error {
			ended, err := endNode(c.Context(), dataDir)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s; its data is kept\n", endedLine(ended, dataDir))
			return nil
		},
	}
	dataDirFlag(c.Flags(), &dataDir, defaultDataDir())
	return c
}

// endedLine says what of a data directory was ended.
func endedLine(ended []containerd.Piece, dataDir string) string {
	tasks, others := 0, []string{}
	for _, piece := range ended {
		switch piece.Kind {
		case "container", "process":
			tasks++
		case "containerd":
			others = append(others, "the private containerd")
		case "log keeper":
			others = append(others, "the log keeper")
		}
	}
	if tasks > 0 {
		others = slices.Insert(others, 0, plural(tasks, "task"))
	}
	switch {
	case len(ended) == 0:
		return "nothing of " + dataDir + " runs"
	case len(others) == 0:
		return "nothing of " + dataDir + " runs; what it had left in the system is removed"
	}
	return "ended: " + strings.Join(others, ", ") + " of " + dataDir
}

// endNode ends what outlives the daemon of a data directory, and returns it. It
// holds the directory's lock meanwhile: no daemon may work there.
func endNode(ctx context.Context, dataDir string) (ended []containerd.Piece, err error) {
	if err := mayUse(dataDir); err != nil {
		return nil, fmt.Errorf("daemon end: %w", err)
	}
	if _, err := os.Stat(identityDir(dataDir)); err != nil {
		return nil, fmt.Errorf("daemon end: %s holds no node: name its directory with --data-dir", dataDir)
	}
	lock, err := lockDataDir(dataDir)
	if err != nil {
		return nil, fmt.Errorf("daemon end: %w", err)
	}
	defer lock.Close()
	system, err := ofTheMachine(dataDir)
	if err != nil {
		return nil, fmt.Errorf("daemon end: %w", err)
	}
	own, err := ofItsOwn(ctx, dataDir)
	if err != nil {
		return nil, fmt.Errorf("daemon end: %w", err)
	}
	return append(system, own...), endWorker(ctx, dataDir)
}

// secretsDir is where the tasks of a data directory's node have their secrets and
// configs.
func secretsDir(dataDir string) *secrets.Dir { return secrets.New(secretsPlaces(dataDir)...) }

// secretsPlaces are where they can lie.
func secretsPlaces(dataDir string) []string {
	sum := sha256.Sum256([]byte(dataDir))
	return secrets.DefaultPlaces(hex.EncodeToString(sum[:6]))
}

// endWorker ends what outlives a daemon: tasks, their secrets, the private
// containerd and the log keeper.
func endWorker(ctx context.Context, dataDir string) error {
	logs := newNodeLogs(dataDir, quietLog())
	if err := endProcesses(ctx, dataDir, logs); err != nil {
		return fmt.Errorf("end the processes: %w", err)
	}
	managed, err := containerd.NewManaged(containerd.ManagedConfig{DataDir: dataDir, Log: quietLog()})
	if err != nil {
		return err
	}
	if hasContainerd(dataDir) || managed.HasRun() {
		if err := managed.Shutdown(ctx); err != nil {
			return fmt.Errorf("end the private containerd: %w", err)
		}
	}
	if err := secretsDir(dataDir).Clear(); err != nil {
		return err
	}
	if err := logs.Stop(ctx); err != nil {
		return fmt.Errorf("end the log keeper: %w", err)
	}
	return nil
}

func endProcesses(ctx context.Context, dataDir string, logs nodeLogs) error {
	processes, err := openProcesses(dataDir, slog.New(slog.DiscardHandler), logs)
	if err != nil {
		return err
	}
	return processes.Shutdown(ctx)
}
