package containerd

import (
	"archive/tar"
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
	Name     string    `json:"name"`      // docker.io/library/web:1, or docker.io/library/web@sha256:...
	PulledAs string    `json:"pulled_as"` // docker.io/library/web:1, of one that is named by its digest; else empty
	Digest   string    `json:"digest"`    // of its manifest or index
	Size     int64     `json:"size"`      // bytes, packed
	Created  time.Time `json:"created"`
	Pulled   bool      `json:"pulled"` // from a registry, by this or an earlier daemon: Collect may remove it
}

// Load takes images from a tar stream, as written by `docker save` or in the OCI
// layout, and unpacks them, so that the first start need not.
func (e *Engine) Load(ctx context.Context, r io.Reader) ([]Image, error) {
	source := &archive{from: r}
	imported, err := e.client.Import(ctx, source, client.WithImageRefTranslator(fullName),
		client.WithImageLabels(map[string]string{labelFrom: fromArchive}))
	if err != nil {
		return nil, loadFailure(ctx, source, err)
	}
	if len(imported) == 0 {
		return nil, errors.New("load images: the archive names no image: save it by its name and tag")
	}
	var loaded []Image
	for _, img := range imported {
		if _, err := e.inspect(ctx, img); err != nil {
			return nil, failureNow(ctx, "unpack image "+img.Name, err)
		}
		loaded = append(loaded, e.described(ctx, img))
	}
	return loaded, nil
}

// archive notes how a stream ended.
type archive struct {
	from io.Reader
	size int64 // bytes
	err  error
}

func (a *archive) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.size += int64(n)
	a.err = err
	return n, err
}

// smallestArchive is one block of a tar archive, in bytes.
const smallestArchive = 512

// loadFailure says what is wrong with an archive.
func loadFailure(ctx context.Context, a *archive, err error) error {
	ended := errors.Is(a.err, io.EOF)
	broken := a.err != nil && !ended
	switch {
	case ctx.Err() != nil, away(err):
	case broken:
		return fmt.Errorf("load images: read the archive: %w", a.err)
	case ended && a.size >= smallestArchive && (strings.HasSuffix(err.Error(), "EOF") || gone(err)):
		return fmt.Errorf("load images: the archive is cut short after %d bytes: save it again", a.size)
	case errors.Is(err, tar.ErrHeader), strings.Contains(err.Error(), "unrecognized image format"):
		return errors.New("load images: this is neither an archive of docker save nor an OCI layout in a tar file")
	default:
		return fmt.Errorf("%w (an archive of docker save or an OCI layout is expected)", failure(ctx, "load images", err))
	}
	return failureNow(ctx, "load images", err)
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
		return nil, failureNow(ctx, "list images", err)
	}
	return e.describedAll(ctx, list), nil
}

// describedAll is sorted by name.
func (e *Engine) describedAll(ctx context.Context, list []images.Image) []Image {
	all := make([]Image, 0, len(list))
	for _, img := range list {
		all = append(all, e.described(ctx, img))
	}
	slices.SortFunc(all, func(a, b Image) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// described leaves the size out when it cannot be told.
func (e *Engine) described(ctx context.Context, img images.Image) Image {
	size, err := client.NewImage(e.client, img).Size(ctx)
	if err != nil {
		e.log.DebugContext(ctx, "size of an image is not known", "image", img.Name, "err", err)
	}
	return Image{
		Name: img.Name, PulledAs: img.Labels[labelPulledAs], Digest: img.Target.Digest.String(), Size: size,
		Created: img.CreatedAt, Pulled: img.Labels[labelFrom] == fromRegistry,
	}
}
