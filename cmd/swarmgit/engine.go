package main

import (
	"context"
	"io"
	"path/filepath"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/specs"
)

// engine runs the tasks of this node.
type engine struct {
	executor.Executor
	images api.Images                      // nil when it has none
	run    func(ctx context.Context) error // keeps it alive until ctx ends; nil when nothing is to be kept
	close  func() error                    // gives it back; tasks run on
}

// openEngine opens the engine that the settings name. Tests that need no
// containers put another in its place.
var openEngine = openContainerd

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
	e.Executor, e.images, e.close = opened, images{opened}, opened.Close
	return e, nil
}

// managedContainerd is the setting for a private containerd.
const managedContainerd = "managed"

// images gives the control API the executor's images.
type images struct{ engine *containerd.Engine }

func (i images) Load(ctx context.Context, archive io.Reader) ([]api.Image, error) {
	loaded, err := i.engine.Load(ctx, archive)
	return imageViews(loaded), err
}

func (i images) List(ctx context.Context) ([]api.Image, error) {
	found, err := i.engine.Images(ctx)
	return imageViews(found), err
}

func imageViews(found []containerd.Image) []api.Image {
	views := make([]api.Image, len(found))
	for i, image := range found {
		views[i] = api.Image{Name: image.Name, Digest: image.Digest, Size: specs.Bytes(image.Size), Created: image.Created}
	}
	return views
}
