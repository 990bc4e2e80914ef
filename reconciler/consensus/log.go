package consensus

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// raftLog gives raft a logger whose lines go to log. What raft informs about is
// for its developers, what it warns of (an election, a slow follower) is what
// an operator wants to know: each level goes down by one, but errors stay.
func raftLog(log *slog.Logger) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Off, Output: io.Discard})
	logger.RegisterSink(sink{log})
	return logger
}

type sink struct{ log *slog.Logger }

func (s sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch {
	case level < hclog.Info:
		return
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
