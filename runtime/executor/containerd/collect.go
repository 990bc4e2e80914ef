package containerd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/specs"
)

const (
	// keptUnused is how long an image from a registry is kept after its last use
	// was seen.
	keptUnused = 24 * time.Hour
	// fullDisk is the use of the disk, in percent, above which it is not kept.
	fullDisk = 85
)

// held is an image that may be collected.
type held struct {
	images.Image
	unused time.Time // since when
}

// nextToGo is the image that is unused the longest, if its time is over or the disk
// is full.
func nextToGo(all []held, now time.Time, diskUse int) (next int, ok bool) {
	for i := range all {
		if all[i].unused.Before(all[next].unused) {
			next = i
		}
	}
	return next, len(all) > 0 && (diskUse > fullDisk || now.Sub(all[next].unused) >= keptUnused)
}

// Collect removes images that came from a registry and that nothing has needed for
// a day; while the disk is full, the oldest of all that nothing needs. needed are
// references that tasks of this node have or may soon have. What was loaded from an
// archive, and what somebody else brought here, stays. Since when an image is
// unused is written on it, so that restarts do not count.
func (e *Engine) Collect(ctx context.Context, needed []string, now time.Time) error {
	used, unused, err := e.divided(ctx, needed)
	if err != nil {
		return failure(ctx, "list unused images", err)
	}
	for _, img := range used {
		if err := e.mark(ctx, img, ""); err != nil {
			return err
		}
	}
	var all []held
	for _, img := range unused {
		if img.Labels[labelFrom] != fromRegistry {
			continue
		}
		since, err := time.Parse(time.RFC3339, img.Labels[labelUnused])
		if err != nil {
			since = now
			if err := e.mark(ctx, img, now.UTC().Format(time.RFC3339)); err != nil {
				return err
			}
		}
		all = append(all, held{img, since})
	}
	return e.removeOldest(ctx, all, now)
}

// mark writes since when an image is unused, "" if it is used.
func (e *Engine) mark(ctx context.Context, img images.Image, since string) error {
	if img.Labels[labelUnused] == since {
		return nil
	}
	img.Labels[labelUnused] = since
	_, err := e.client.ImageService().Update(ctx, img, "labels."+labelUnused)
	if err != nil && !gone(err) {
		return failure(ctx, "write on image "+img.Name+" since when it is unused", err)
	}
	return nil
}

// removeOldest removes the oldest image for as long as one has to go, and tells
// the operator in one line.
func (e *Engine) removeOldest(ctx context.Context, all []held, now time.Time) error {
	var names []string
	var size specs.Bytes
	use, failed := e.diskUse(ctx)
	for failed == nil {
		next, ok := nextToGo(all, now, use)
		if !ok {
			break
		}
		img := e.described(ctx, all[next].Image)
		switch err := e.remove(ctx, all[next].Image); {
		case err == nil:
			names, size = append(names, img.Name), size+specs.Bytes(img.Size)
			use, failed = e.diskUse(ctx)
		case !errors.Is(err, errUsed) && !gone(err):
			failed = failure(ctx, "remove unused image "+img.Name, err)
		}
		all = slices.Delete(all, next, next+1)
	}
	if len(names) > 0 {
		e.log.InfoContext(ctx, "unused images removed", "images", names, "size", size.String())
	}
	return failed
}

// snapshotsDisk is how full the disk is that holds the images' layers, in percent,
// as df shows it; 0 if containerd does not say where that is.
func (e *Engine) snapshotsDisk(ctx context.Context) (percent int, err error) {
	plugins, err := e.client.IntrospectionService().Plugins(ctx, "type==io.containerd.snapshotter.v1,id=="+e.config.Snapshotter)
	if err != nil {
		return 0, failure(ctx, "ask containerd where the images lie", err)
	}
	for _, p := range plugins.Plugins {
		if root := p.Exports["root"]; root != "" {
			return diskUse(root)
		}
	}
	return 0, nil
}

func diskUse(path string) (percent int, err error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(path, &disk); err != nil {
		return 0, fmt.Errorf("see how full the disk of %s is: %w", path, err)
	}
	used := disk.Blocks - disk.Bfree
	return int(100 * used / max(used+disk.Bavail, 1)), nil
}
