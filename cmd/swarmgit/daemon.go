package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// daemonOptions are the flags of a node. A restarted daemon needs only its data
// directory.
type daemonOptions struct {
	dataDir    string
	http       string
	socket     string
	containerd string
	labels     []string
	name       string
	debug      bool
}

func daemonCommand() *cobra.Command {
	var opt daemonOptions
	c := &cobra.Command{
		Use: "daemon", Short: "Run a node of the cluster", Args: cobra.NoArgs,
		Long: `Runs a manager and worker in one process until it is told to stop. Its containers
go on when it stops or dies, and the next daemon with the same data directory
takes them over.

--containerd managed keeps a private containerd of its own; give a socket to use
one that runs already. Either way swarmgit stays in a namespace of its own there
and touches nothing that is not its.`,
		Example: "  sudo swarmgit daemon\n  sudo swarmgit daemon --data-dir /srv/swarmgit --containerd /run/containerd/containerd.sock",
		RunE: func(c *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if opt.debug {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			slog.SetDefault(log)
			return runDaemon(c.Context(), opt, log)
		},
	}
	f := c.Flags()
	f.StringVar(&opt.dataDir, "data-dir", defaultDataDir(), "where the node keeps everything")
	f.StringVar(&opt.http, "http", "127.0.0.1:2378", "address for Git and the API; loopback only until nodes have certificates")
	f.StringVar(&opt.socket, "socket", defaultSocket(), "socket for the command line")
	f.StringVar(&opt.containerd, "containerd", "managed", "managed, or the socket of a containerd that runs already")
	f.StringArrayVar(&opt.labels, "label", nil, "engine label key=value, for constraints on engine.labels.key; may be repeated")
	f.StringVar(&opt.name, "name", "swarmgit", "name of the cluster, when this daemon makes it")
	f.BoolVar(&opt.debug, "debug", false, "log every small step")
	c.AddCommand(daemonEndCommand())
	return c
}

func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/swarmgit"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "swarmgit")
	}
	return filepath.Join(os.Getenv("HOME"), ".local", "share", "swarmgit")
}

func runDaemon(ctx context.Context, opt daemonOptions, log *slog.Logger) error {
	labels, err := parseLabels(opt.labels)
	if err != nil {
		return err
	}
	n, err := openNode(ctx, nodeConfig{
		dataDir: opt.dataDir, http: opt.http, socket: opt.socket, containerd: opt.containerd,
		labels: labels, cluster: opt.name, log: log,
	})
	if err != nil {
		return err
	}
	defer n.close()
	return n.run(ctx)
}

func parseLabels(pairs []string) (map[string]string, error) {
	labels := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--label %s: write it as key=value", pair)
		}
		labels[key] = value
	}
	return labels, nil
}
