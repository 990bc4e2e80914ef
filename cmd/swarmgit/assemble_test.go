package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// A daemon ends cleanly when it is told to, and with an error when a part of it is
// canceled by itself.
func TestWhoEndsADaemon(t *testing.T) {
	var runEngine func(context.Context) error
	defer func(open func(context.Context, nodeConfig, nodeLogs) (engine, error)) { openEngine = open }(openEngine)
	openEngine = func(ctx context.Context, cfg nodeConfig, logs nodeLogs) (engine, error) {
		e, err := openMemoryEngine(ctx, cfg, logs)
		e.run = runEngine
		return e, err
	}
	for want, run := range map[string]func(ctx context.Context, end func()) error{
		"": func(ctx context.Context, end func()) error {
			end()
			<-ctx.Done()
			return ctx.Err()
		},
		"a part of the daemon has given up, and nobody told it to: context canceled": func(context.Context, func()) error {
			return context.Canceled
		},
	} {
		ctx, end := context.WithCancel(t.Context())
		runEngine = func(ctx context.Context) error { return run(ctx, end) }
		dir := t.TempDir()
		n, err := openNode(ctx, nodeConfig{
			dataDir: dir, http: "127.0.0.1:0", socket: filepath.Join(dir, "sock"), listen: "127.0.0.1:0",
			begin: beginning{cluster: "test"}, log: quietLog(), out: io.Discard,
		})
		if err != nil {
			t.Fatal(err)
		}
		err = n.run(ctx)
		n.close()
		end()
		if ended := endWorker(t.Context(), dir); ended != nil {
			t.Error(ended)
		}
		if (err == nil) != (want == "") || err != nil && (!errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want)) {
			t.Errorf("ended with %v, want %q", err, want)
		}
	}
}
