package containerd

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/log"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"
)

// progressEvery is how often a pull says how far it is: often enough for a
// person who watches, rare enough for the store behind it.
const progressEvery = 500 * time.Millisecond

// pull fetches and unpacks an image. The client holds a lease meanwhile.
func (e *Engine) pull(ctx context.Context, ref, name string, c credentials, progress func(string)) (images.Image, error) {
	seen := &layers{store: e.client.ContentStore()}
	stop := seen.report(ctx, progress)
	defer stop()
	pulled, err := e.client.Pull(quiet(ctx), name,
		client.WithPullUnpack, client.WithPullSnapshotter(e.config.Snapshotter),
		client.WithPullLabels(map[string]string{labelFrom: fromRegistry, labelPulledAs: pulledAs(ref)}),
		client.WithResolver(resolver(ctx, c)), client.WithImageHandler(images.HandlerFunc(seen.note)))
	if err != nil {
		return images.Image{}, pullFailure(ctx, ref, err)
	}
	return pulled.Metadata(), nil
}

// quiet keeps the client library from writing to our stderr what its error says
// again.
func quiet(ctx context.Context) context.Context {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	return log.WithLogger(ctx, logrus.NewEntry(logger))
}

// layers are the blobs of an image that is being pulled.
type layers struct {
	store content.Store

	mu    sync.Mutex
	blobs []ocispec.Descriptor
}

// note is called for everything that the pull comes by.
func (l *layers) note(_ context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	if images.IsLayerType(d.MediaType) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.blobs = append(l.blobs, d)
	}
	return nil, nil
}

// report tells progress how far the pull is until the returned function is
// called, which waits for the last word.
func (l *layers) report(ctx context.Context, progress func(string)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		progress("pull")
		for last := ""; ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if text := l.percent(ctx); text != "" && text != last {
				progress(text)
				last = text
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// percent is empty while nothing is known.
func (l *layers) percent(ctx context.Context) string {
	l.mu.Lock()
	blobs := l.blobs
	l.mu.Unlock()
	active, err := l.store.ListStatuses(ctx)
	if err != nil {
		return ""
	}
	offsets := map[string]int64{}
	for _, s := range active {
		offsets[s.Ref] = s.Offset
	}
	var total, done int64
	for _, d := range blobs {
		total += d.Size
		if offset, ok := offsets[remotes.MakeRefKey(ctx, d)]; ok {
			done += offset
		} else if _, err := l.store.Info(ctx, d.Digest); err == nil {
			done += d.Size
		}
	}
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("pull %d%%", done*100/total)
}
