package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/logkeeper"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// keeperVerb is how this program is started as the node's log keeper.
const keeperVerb = "log-keeper"

// nodeLogs is the log keeper's client as the agent wants it.
type nodeLogs struct{ *logkeeper.Client }

func newNodeLogs(dataDir string, log *slog.Logger) nodeLogs {
	return nodeLogs{logkeeper.New(logkeeper.Config{
		Dir: filepath.Join(dataDir, "logs"), Command: []string{executable(), keeperVerb}, Log: log,
	})}
}

func (l nodeLogs) Read(ctx context.Context, taskID string, opts agent.LogOptions, yield func([]wire.LogLine) error) error {
	return l.Client.Read(ctx, taskID, logkeeper.ReadOptions(opts), yield)
}

// internalProcess runs what swarmgit starts itself as, before anything of the
// command line is built. It is false for a person's command.
func internalProcess(args []string) (code int, ok bool) {
	if len(args) > 1 && args[1] == keeperVerb {
		return logkeeper.Main(args[2:]), true
	}
	return 0, false
}

// executable is the path of this program, for helpers to come back.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
