package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/runtime/executor/process"
	"github.com/swarmgit/swarmgit/specs"
)

// engine runs the tasks of this node.
type engine struct {
	executor.Executor
	containers *containerd.Engine              // nil when it runs none
	run        func(ctx context.Context) error // keeps it alive until ctx ends; nil when nothing is to be kept
	close      func() error                    // gives it back; tasks run on
}

// openEngine opens the engine that the settings name. Tests that need no
// containers put another in its place.
var openEngine = openExecutors

// The values of --executor.
const (
	autoExecutor       = "auto" // processes, and containers where the node can
	containerdExecutor = "containerd"
	processExecutor    = "process"
)

func openExecutors(ctx context.Context, cfg nodeConfig, logs nodeLogs) (e engine, err error) {
	switch cfg.executor {
	case "", autoExecutor:
		if why := noContainers(cfg); why != nil {
			cfg.log.WarnContext(ctx, "this node runs services with runtime: process only", "why", why)
			e.Executor, err = settleProcesses(cfg, logs)
			return e, err
		}
	case containerdExecutor:
		return openContainerd(ctx, cfg, logs)
	case processExecutor:
		e.Executor, err = settleProcesses(cfg, logs)
		return e, err
	default:
		return e, errExecutor(cfg.executor)
	}
	processes, err := settleProcesses(cfg, logs)
	if err != nil {
		return e, err
	}
	if e, err = openContainerd(ctx, cfg, logs); err != nil {
		return e, err
	}
	e.Executor = executor.NewSeveral(map[string]executor.Executor{
		specs.RuntimeContainer: e.Executor, specs.RuntimeProcess: processes,
	})
	return e, nil
}

// checkExecutor refuses settings by which a machine that is no node yet could not
// run anything.
func checkExecutor(cfg nodeConfig) error {
	switch cfg.executor {
	case processExecutor:
		return nil
	case containerdExecutor:
		if why := noContainers(cfg); why != nil {
			return fmt.Errorf("--executor %s: %w", cfg.executor, why)
		}
	case "", autoExecutor:
	default:
		return errExecutor(cfg.executor)
	}
	if cfg.containerd == managedContainerd || cfg.containerd == "" {
		return nil
	}
	if info, err := os.Stat(cfg.containerd); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("--containerd %s: there is no such socket: start containerd, or say managed", cfg.containerd)
	}
	return nil
}

func errExecutor(name string) error {
	return fmt.Errorf("--executor %s: it is auto, containerd or process", name)
}

// noContainers says why a node does not run containers, nil if it does. One that
// has run them goes on with that, or says why it cannot: else its containers
// would count as gone.
func noContainers(cfg nodeConfig) error {
	switch {
	case cfg.containerd != managedContainerd, hasContainerd(cfg.dataDir):
		return nil
	case os.Geteuid() != 0:
		return errors.New("containers need root")
	}
	return containerd.Installed()
}

// settleProcesses opens the executor of plain processes for the daemon.
func settleProcesses(cfg nodeConfig, logs nodeLogs) (*process.Engine, error) {
	e, err := openProcesses(cfg.dataDir, cfg.log, logs)
	if err != nil {
		return nil, err
	}
	return e, e.Settle()
}

// openProcesses opens the executor of plain processes, to look at what is there and
// to end it.
func openProcesses(dataDir string, log *slog.Logger, logs nodeLogs) (*process.Engine, error) {
	return process.Open(process.Config{
		Dir: filepath.Join(dataDir, "processes"), Command: []string{executable(), processVerb}, Logs: logs, Log: log,
		Cgroup: processCgroup(dataDir),
	})
}

// processCgroup is where root's tasks that are processes live.
func processCgroup(dataDir string) string {
	name := fnv.New32a()
	_, _ = name.Write([]byte(dataDir)) // never fails, by its contract
	return fmt.Sprintf("/swarmgit-processes/%08x", name.Sum32())
}

// openContainerd opens a private containerd, or somebody else's.
func openContainerd(ctx context.Context, cfg nodeConfig, logs nodeLogs) (engine, error) {
	config := containerd.Config{Socket: cfg.containerd, Dir: filepath.Join(cfg.dataDir, "executor"), Log: cfg.log}
	var e engine
	if cfg.containerd == managedContainerd {
		managed, err := containerd.NewManaged(containerd.ManagedConfig{DataDir: cfg.dataDir, Log: cfg.log})
		if err != nil {
			return e, err
		}
		if err := managed.Start(ctx); err != nil {
			return e, err
		}
		config, e.run = managed.EngineConfig(), managed.Run
	}
	config.Logs = logs
	opened, err := containerd.Open(ctx, config)
	if err != nil {
		return e, err
	}
	e.Executor, e.containers, e.close = opened, opened, opened.Close
	return e, nil
}

// managedContainerd is the setting for a private containerd.
const managedContainerd = "managed"
