package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
)

// Image is one image that this node has.
type Image struct {
	Name    string    `json:"name"`   // docker.io/library/web:1
	Digest  string    `json:"digest"` // of its manifest or index
	Size    int64     `json:"size"`   // bytes, packed
	Created time.Time `json:"created"`
}

// Load takes images from a tar stream, as written by `docker save` or in the OCI
// layout, and unpacks them, so that the first start need not.
func (e *Engine) Load(ctx context.Context, r io.Reader) ([]Image, error) {
	imported, err := e.client.Import(ctx, r, client.WithImageRefTranslator(fullName))
	if err != nil {
		return nil, fmt.Errorf("%w (an archive of docker save or an OCI layout is expected)", failure(ctx, "load images", err))
	}
	if len(imported) == 0 {
		return nil, errors.New("load images: the archive names no image: save it by its name and tag")
	}
	var loaded []Image
	for _, img := range imported {
		if _, err := e.inspect(ctx, img); err != nil {
			return nil, failure(ctx, "unpack image "+img.Name, err)
		}
		loaded = append(loaded, e.described(ctx, img))
	}
	return loaded, nil
}

// fullName is the name that an OCI layout gives an image, empty if it gives only
// a tag.
func fullName(ref string) string {
	if !strings.ContainsAny(ref, "/:@") {
		return ""
	}
	name, err := normal(ref)
	if err != nil {
		return ""
	}
	return name
}

// Images returns the images of this node, sorted by name.
func (e *Engine) Images(ctx context.Context) ([]Image, error) {
	list, err := e.client.ImageService().List(ctx)
	if err != nil {
		return nil, failure(ctx, "list images", err)
	}
	all := make([]Image, 0, len(list))
	for _, img := range list {
		all = append(all, e.described(ctx, img))
	}
	slices.SortFunc(all, func(a, b Image) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// described leaves the size out when it cannot be told.
func (e *Engine) described(ctx context.Context, img images.Image) Image {
	size, err := client.NewImage(e.client, img).Size(ctx)
	if err != nil {
		e.log.DebugContext(ctx, "size of an image is not known", "image", img.Name, "err", err)
	}
	return Image{Name: img.Name, Digest: img.Target.Digest.String(), Size: size, Created: img.CreatedAt}
}

// RemoveImage forgets a name; what no other image and no task needs is freed.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	name, err := normal(ref)
	if err != nil {
		return err
	}
	err = e.client.ImageService().Delete(ctx, name, images.SynchronousDelete())
	if gone(err) {
		return fmt.Errorf("image %s: no such image on this node", ref)
	}
	if err != nil {
		return failure(ctx, "remove image "+ref, err)
	}
	return nil
}
