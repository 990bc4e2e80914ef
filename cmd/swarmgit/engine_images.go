package main

import (
	"context"
	"io"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/specs"
)

// images is what the control API can do with this node's images, nil if it has
// none.
func (e engine) images() api.Images {
	if e.containers == nil {
		return nil
	}
	return localImages{e.containers}
}

// localImages gives the control API the executor's images.
type localImages struct{ engine *containerd.Engine }

func (i localImages) Load(ctx context.Context, archive io.Reader) ([]api.Image, error) {
	loaded, err := i.engine.Load(ctx, archive)
	return imageViews(loaded), err
}

func (i localImages) List(ctx context.Context) ([]api.Image, error) {
	found, err := i.engine.Images(ctx)
	return imageViews(found), err
}

func (i localImages) Remove(ctx context.Context, name string) error {
	return i.engine.RemoveImage(ctx, name)
}

func (i localImages) Unused(ctx context.Context, needed []string) ([]api.Image, error) {
	found, err := i.engine.Unused(ctx, needed)
	return imageViews(found), err
}

func imageViews(found []containerd.Image) []api.Image {
	views := make([]api.Image, len(found))
	for i, image := range found {
		views[i] = api.Image{
			Name: image.Name, PulledAs: image.PulledAs, Digest: image.Digest, Size: specs.Bytes(image.Size),
			Created: image.Created, Pulled: image.Pulled,
		}
	}
	return views
}
