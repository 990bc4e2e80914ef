package consensus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// raftLog gives raft a logger whose lines go to log. What raft informs about is
// for its developers, what it warns of (an election, a slow follower) is what
// an operator wants to know: each level goes down by one, but errors stay,
// unless they say again and again that a manager is away, see tellSilent, or that
// this one has a successor.
func raftLog(log *slog.Logger) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Off, Output: io.Discard})
	logger.RegisterSink(sink{log})
	return logger
}

// ordinary is what raft calls errors and is told better elsewhere: what it says
// several times a second while a manager does not answer, and how a leader learns
// that another was elected. So is a vote that probation refuses.
var ordinary = map[string]bool{
	"Election timeout reached, restarting election": true,
	"failed to appendEntries to":                    true,
	"failed to contact":                             true,
	"failed to decode incoming command":             true,
	"failed to flush response":                      true,
	"failed to heartbeat to":                        true,
	"failed to make requestVote RPC":                true,
	"failed to pipeline appendEntries":              true,
	"failed to start pipeline replication to":       true,
	"peer has newer term, stopping replication":     true,
}

// portClosed is what raft says when the node port is closed before it, as it is
// whenever a manager ends. Other failures of the port it tells itself.
const portClosed = "failed to accept connection"

type sink struct{ log *slog.Logger }

func (s sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch {
	case level < hclog.Info:
		return
	case ordinary[msg], msg == portClosed, slices.Contains(args, any(errProbation)):
	case level == hclog.Warn:
		to = slog.LevelInfo
	case level == hclog.Error:
		to = slog.LevelError
	}
	ctx := context.Background()
	if !s.log.Enabled(ctx, to) {
		return
	}
	for i, arg := range args {
		if format, ok := arg.(hclog.Format); ok {
			args[i] = fmt.Sprintf(fmt.Sprint(format[0]), format[1:]...)
		}
	}
	s.log.With("from", name).Log(ctx, to, msg, args...)
}
