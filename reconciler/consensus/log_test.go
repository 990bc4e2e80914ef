package consensus

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestRaftsLinesGoDownByOneLevel(t *testing.T) {
	for name, c := range map[string]struct {
		say  func(hclog.Logger)
		want string
	}{
		"debug":     {func(l hclog.Logger) { l.Debug("x") }, ""},
		"info":      {func(l hclog.Logger) { l.Info("x", "term", 2) }, "level=DEBUG msg=x from=raft term=2\n"},
		"warn":      {func(l hclog.Logger) { l.Named("wal").Warn("x") }, "level=INFO msg=x from=raft.wal\n"},
		"successor": {func(l hclog.Logger) { l.Error("peer has newer term, stopping replication", "peer", "b") }, "level=DEBUG msg=\"peer has newer term, stopping replication\" from=raft peer=b\n"},
		"probation": {func(l hclog.Logger) { l.Error("x", "error", errProbation) }, "level=DEBUG msg=x from=raft error=\"" + errProbation.Error() + "\"\n"},
		"away":      {func(l hclog.Logger) { l.Error("failed to heartbeat to", "peer", "b:1") }, "level=DEBUG msg=\"failed to heartbeat to\" from=raft peer=b:1\n"},
		"error":     {func(l hclog.Logger) { l.Error("x") }, "level=ERROR msg=x from=raft\n"},
		"format":    {func(l hclog.Logger) { l.Error("x", "peer", hclog.Fmt("%d of %d", 1, 3)) }, "level=ERROR msg=x from=raft peer=\"1 of 3\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c.say(raftLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
				Level: slog.LevelDebug,
				ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey {
						return slog.Attr{}
					}
					return a
				},
			}))))
			if out.String() != c.want {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
		})
	}
}
