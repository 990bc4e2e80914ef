package main

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/logkeeper"
	"github.com/swarmgit/swarmgit/specs/wire"
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
