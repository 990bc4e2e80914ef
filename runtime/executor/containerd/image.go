package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/mount"
	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/distribution/reference"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// image is what starting a task needs to know of an image that is here and
// unpacked. Values are shared and not modified.
type image struct {
	name   string
	config ocispec.ImageConfig
	check  *specs.Healthcheck // nil if it brings none
	chain  string             // the snapshot of all its layers
	passwd []byte             // its /etc/passwd and /etc/group, empty if it has none
	group  []byte
}

// normal is an image reference with everything that people leave out.
func normal(ref string) (string, error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", ref, err)
	}
	return named.String(), nil
}

// image returns the image of a task, pulled if it is not here, unpacked.
func (e *Engine) image(ctx context.Context, task executor.Task, progress func(string)) (*image, error) {
	ref := task.Spec.Image
	name, err := normal(ref)
	if err != nil {
		return nil, err
	}
	found, err := e.lookup(ctx, name)
	if err == nil {
		if known := e.known(found); known != nil {
			return known, nil
		}
	} else if !gone(err) {
		return nil, failure(ctx, "look up image "+ref, err)
	}
	release, err := e.turns.take(ctx, name)
	if err != nil {
		return nil, err
	}
	defer release()
	return e.fetched(ctx, ref, name, credentialsFor(ctx, ref, task.Login), progress)
}

// fetched does what image does, one caller per name at a time.
func (e *Engine) fetched(ctx context.Context, ref, name string, c credentials, progress func(string)) (*image, error) {
	found, err := e.lookup(ctx, name)
	switch {
	case err == nil:
		if known := e.known(found); known != nil {
			return known, nil
		}
	case gone(err):
		if found, err = e.pull(ctx, ref, name, c, progress); err != nil {
			return nil, err
		}
	default:
		return nil, failure(ctx, "look up image "+ref, err)
	}
	img, err := e.inspect(ctx, found)
	if err != nil {
		return nil, failure(ctx, "unpack image "+ref, err)
	}
	return img, nil
}

// present is an image that must be here: nothing is pulled.
func (e *Engine) present(ctx context.Context, name string) (*image, error) {
	found, err := e.lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	if known := e.known(found); known != nil {
		return known, nil
	}
	return e.inspect(ctx, found)
}

// lookup finds a local image by name, or, when the name has a digest, any that
// has this digest: an image that was loaded is not named by it.
func (e *Engine) lookup(ctx context.Context, name string) (images.Image, error) {
	store := e.client.ImageService()
	found, err := store.Get(ctx, name)
	if err == nil || !gone(err) {
		return found, err
	}
	named, parseErr := reference.ParseNormalizedNamed(name)
	digested, ok := named.(reference.Digested)
	if parseErr != nil || !ok {
		return found, err
	}
	same, listErr := store.List(ctx, "target.digest=="+digested.Digest().String())
	if listErr != nil || len(same) == 0 {
		return found, errors.Join(listErr, err)
	}
	return same[0], nil
}

func (e *Engine) known(found images.Image) *image {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.images[found.Target.Digest.String()]
}

// forget drops what is known of an image whose snapshots may be gone.
func (e *Engine) forget(img *image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, value := range e.images {
		if value == img {
			delete(e.images, key)
		}
	}
}

// inspect unpacks an image if that has not been done and reads what tasks need
// of it. A lease keeps everything until it is referred to.
func (e *Engine) inspect(ctx context.Context, found images.Image) (*image, error) {
	ctx, done, err := e.client.WithLease(ctx)
	if err != nil {
		return nil, err
	}
	defer done(context.WithoutCancel(ctx))
	local := client.NewImage(e.client, found)
	if err := local.Unpack(ctx, e.config.Snapshotter); err != nil {
		return nil, err
	}
	spec, err := local.Spec(ctx)
	if err != nil {
		return nil, err
	}
	config, err := local.Config(ctx)
	if err != nil {
		return nil, err
	}
	check, err := readHealthcheck(ctx, local.ContentStore(), config)
	if err != nil {
		return nil, err
	}
	img := &image{name: found.Name, config: spec.Config, check: check, chain: identity.ChainID(spec.RootFS.DiffIDs).String()}
	if err := e.readUsers(ctx, img); err != nil {
		return nil, fmt.Errorf("read the users of image %s: %w", found.Name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images[found.Target.Digest.String()] = img
	return img, nil
}

// maxUserFile bounds /etc/passwd and /etc/group of an image, in bytes: they are
// kept in memory, and an image is not to be trusted.
const maxUserFile = 1 << 20

// readUsers reads the image's /etc/passwd and /etc/group once, so that a start
// need not mount anything to know who its user is.
func (e *Engine) readUsers(ctx context.Context, img *image) (err error) {
	dir, err := os.MkdirTemp(e.scratch(), "image-")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	snapshotter := e.client.SnapshotService(e.config.Snapshotter)
	key := filepath.Base(dir)
	mounts, err := snapshotter.View(ctx, key, img.chain)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshotter.Remove(context.WithoutCancel(ctx), key)) }()
	if err := mount.All(mounts, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mount.UnmountAll(dir, 0)) }()
	if img.passwd, err = readInside(dir, "etc/passwd"); err != nil {
		return err
	}
	img.group, err = readInside(dir, "etc/group")
	return err
}

// readInside reads a regular file below root without being led out of it by a
// symbolic link. A missing file is empty.
func readInside(root, name string) ([]byte, error) {
	path, err := securejoin.SecureJoin(root, name)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxUserFile))
}

// scratch is where images are mounted for a moment.
func (e *Engine) scratch() string { return filepath.Join(e.config.Dir, "mnt") }

// clearScratch takes away what a killed daemon left mounted. Its snapshots go with
// their lease.
func (e *Engine) clearScratch() error {
	if err := os.MkdirAll(e.scratch(), 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(e.scratch())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		dir := filepath.Join(e.scratch(), entry.Name())
		if err := mount.UnmountAll(dir, 0); err != nil {
			return fmt.Errorf("unmount %s, which an earlier daemon left: %w", dir, err)
		}
		if err := os.Remove(dir); err != nil {
			return err
		}
	}
	return nil
}
