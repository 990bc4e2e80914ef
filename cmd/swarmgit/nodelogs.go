package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/process"
	"github.com/swarmgit/swarmgit/runtime/logkeeper"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// How this program is started as what it is not for people.
const (
	keeperVerb  = "log-keeper" // of the node
	processVerb = "process"    // for a task that is a plain process
)

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
	if len(args) < 2 {
		return 0, false
	}
	switch args[1] {
	case keeperVerb:
		return logkeeper.Main(args[2:]), true
	case processVerb:
		return process.Main(args[2:]), true
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
