package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/swarmgit/swarmgit/reconciler/ca"
)

// daemonOptions are the flags of a node. A restarted daemon needs only its data
// directory.
type daemonOptions struct {
	dataDir    string
	listen     string
	advertise  string
	http       string
	socket     string
	executor   string
	containerd string
	labels     []string
	debug      bool

	init       bool
	name       string
	caCert     string
	caKey      string
	externalCA []string
	certExpiry time.Duration
	join       []string
	token      string
}

func daemonCommand() *cobra.Command {
	var opt daemonOptions
	c := &cobra.Command{
		Use: "daemon", Short: "Run a node of a cluster", Args: noCommand,
		Long: `Runs a node until it is told to stop: a worker, and a manager if the cluster
wants it to be one. Its tasks go on when it stops or dies, and the next daemon
with the same data directory takes them over.

The first time, --init makes a cluster whose manager this node is, or --join makes
it a node of another manager's cluster; "swarmgit join-token" there prints the
command. After that both do nothing, but that --join of another cluster is refused.
The data directory is all that has to be named then: it remembers --listen,
--advertise, --http, --socket, --executor, --containerd and --label until they are
given again.

Nodes meet at --listen, over TLS with certificates of the cluster's own authority.
People reach the managers by --socket and, on this machine, by --http.

Containers need root and containerd. Without them a node runs services that say
runtime: process, as the daemon's own user; no other task is placed there.

--containerd managed keeps a private containerd of its own; give a socket to use
one that runs already. Either way swarmgit stays in a namespace of its own there
and touches nothing that is not its.`,
		Example: "  sudo swarmgit daemon --init\n  swarmgit daemon --init --executor process\n  sudo swarmgit daemon --join 10.0.0.1 --token SWMTKN-1-...\n" +
			"  sudo swarmgit daemon --data-dir /srv/swarmgit --init --advertise 10.0.0.1 --containerd /run/containerd/containerd.sock",
		RunE: func(c *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if opt.debug {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			slog.SetDefault(log)
			return runDaemon(c, &opt, log)
		},
	}
	opt.flags(c.Flags())
	c.AddCommand(daemonEndCommand(), daemonForceCommand(), daemonUnitCommand(), daemonUninstallCommand())
	return c
}

func (o *daemonOptions) flags(f *pflag.FlagSet) {
	o.socket, o.containerd = defaultSocket(), managedContainerd
	dataDirFlag(f, &o.dataDir, defaultDataDir())
	f.StringVar(&o.listen, "listen", "0.0.0.0:"+defaultPort, "address where nodes meet, while this one is a manager")
	f.StringVar(&o.advertise, "advertise", "", "HOST or HOST:PORT where other nodes reach this manager (default: --listen, or this machine's own address)")
	f.StringVar(&o.http, "http", "127.0.0.1:2378", "address for Git and the API; loopback only until it has TLS")
	f.Var(&place{path: &o.socket}, "socket", "socket for the command line")
	f.StringVar(&o.executor, "executor", autoExecutor, "what runs tasks: containerd, process, or auto for both, as far as this machine can")
	f.Var(&place{&o.containerd, []string{managedContainerd}}, "containerd", "managed, or the socket of a containerd that runs already")
	f.StringArrayVar(&o.labels, "label", nil, "engine label key=value, for constraints on engine.labels.key; may be repeated")
	f.BoolVar(&o.debug, "debug", false, "log every small step")

	f.BoolVar(&o.init, "init", false, "make a cluster, unless this is a node already")
	f.StringVar(&o.name, "name", "swarmgit", "with --init: name of the cluster")
	f.StringVar(&o.caCert, "ca-cert", "", "with --init: file of the root certificate to use, instead of a new one")
	f.StringVar(&o.caKey, "ca-key", "", "with --init: file of its key")
	f.StringArrayVar(&o.externalCA, "external-ca", nil, "with --init: URL of a CFSSL server that signs for --ca-cert; may be repeated")
	f.DurationVar(&o.certExpiry, "cert-expiry", 0, "with --init: lifetime of the nodes' certificates (default 2160h)")
	f.StringArrayVar(&o.join, "join", nil, "join the cluster of the manager at HOST or HOST:PORT, unless this is a node already; may be repeated")
	f.StringVar(&o.token, "token", "", "with --join: the token that \"swarmgit join-token\" prints there")
}

// beginning is what the flags say for a machine that is no node yet.
func (o *daemonOptions) beginning() (b beginning, err error) {
	switch {
	case o.init && len(o.join) > 0:
		return b, errors.New("--init makes a cluster and --join joins another: give one of them")
	case len(o.join) > 0 && o.token == "":
		return b, errors.New("--join needs the --token that \"swarmgit join-token worker\" prints on a manager")
	case o.token != "" && len(o.join) == 0:
		return b, errors.New("--token is good for --join only: name a manager with --join ADDR")
	case o.init && o.name == "":
		return b, errors.New("--name must not be empty: leave it out for a cluster named swarmgit")
	}
	if b.token = o.token; o.init {
		b.cluster = o.name
		b.authority = ca.Options{External: o.externalCA, CertExpiry: o.certExpiry}
	}
	for _, read := range []struct {
		file string
		into *string
	}{{o.caCert, &b.authority.CertPEM}, {o.caKey, &b.authority.KeyPEM}} {
		if read.file == "" {
			continue
		}
		text, err := os.ReadFile(read.file)
		if err != nil {
			return b, fmt.Errorf("read the cluster's authority: %w", err)
		}
		*read.into = string(text)
	}
	for _, text := range o.join {
		addr, err := managerAddr(text)
		if err != nil {
			return b, err
		}
		b.join = append(b.join, addr)
	}
	return b, nil
}

func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/swarmgit"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "swarmgit")
	}
	home := os.Getenv("HOME")
	if self, err := user.Current(); home == "" && err == nil {
		home = self.HomeDir
	}
	return filepath.Join("/", home, ".local", "share", "swarmgit")
}

// gcPercent trades processor time for memory, unless GOGC says otherwise. What a
// rollout of thousands of tasks leaves behind would else double what a manager
// holds.
const gcPercent = 50

func runDaemon(c *cobra.Command, opt *daemonOptions, log *slog.Logger) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	outliveReaders()
	supervised := takeSupervisor()
	if err := mayUse(opt.dataDir); err != nil {
		return err
	}
	if err := recall(c.Flags(), opt.dataDir); err != nil {
		return err
	}
	labels, err := parseLabels("--label", opt.labels)
	if err != nil {
		return err
	}
	begin, err := opt.beginning()
	if err != nil {
		return err
	}
	n, err := openNode(c.Context(), nodeConfig{
		dataDir: opt.dataDir, listen: opt.listen, advertise: opt.advertise, http: opt.http, socket: opt.socket,
		executor: opt.executor, containerd: opt.containerd, labels: labels, begin: begin, supervisor: supervised, log: log, out: c.OutOrStdout(),
	})
	if err != nil {
		return err
	}
	defer n.close()
	if err := remember(c.Flags(), opt.dataDir); err != nil {
		return err
	}
	if err := n.run(c.Context()); !errors.Is(err, errLeft) {
		return err
	}
	if err := n.forget(context.WithoutCancel(c.Context())); err != nil {
		return err
	}
	fmt.Fprintln(c.OutOrStdout(), "This node has left its cluster. It can make one with --init, or join one with --join ADDR --token TOKEN.")
	return nil
}

// parseLabels reads the values of a flag.
func parseLabels(flag string, pairs []string) (map[string]string, error) {
	labels := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%s %s: write it as key=value", flag, pair)
		}
		labels[key] = value
	}
	return labels, nil
}
