package containerd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/distribution/reference"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// Labels of images.
const (
	labelFrom     = "swarmgit.from"
	labelPulledAs = "swarmgit.pulled-as"    // NAME:TAG, of one that is named by its digest; empty if there was no tag
	labelUnused   = "swarmgit.unused-since" // when Collect first saw that nothing needs it; RFC 3339

	fromRegistry = "registry"
	fromArchive  = "archive"
)

// errUsed says that an image stays because of who uses it.
var errUsed = errors.New("it is in use")

// meaning are the images that some references of tasks mean.
type meaning struct{ names, digests map[string]bool }

func meant(refs ...string) meaning {
	m := meaning{map[string]bool{}, map[string]bool{}}
	for _, ref := range refs {
		named, err := reference.ParseDockerRef(ref)
		if err != nil {
			continue // no image has this name
		}
		m.names[named.String()] = true
		if fixed, ok := named.(reference.Digested); ok {
			m.digests[fixed.Digest().String()] = true // it is found under whatever name it is here
		}
	}
	return m
}

func (m meaning) has(img images.Image) bool {
	return m.names[img.Name] || m.digests[img.Target.Digest.String()]
}

// hold keeps the image of a task that is being made until the returned function is
// called: from then on the task's container does.
func (e *Engine) hold(task executor.Task) (release func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.preparing[task.ID] = task
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.preparing, task.ID)
	}
}

// giveUp forgets what is known of an image, so that who wants it from now on waits
// for the turn of its name; unless a task is being made of it: that is returned.
func (e *Engine) giveUp(img images.Image) (user string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, task := range e.preparing {
		if meant(task.Spec.Image).has(img) {
			return task.Name
		}
	}
	delete(e.images, img.Target.Digest.String())
	return ""
}

// made are the images of containers, by the name of a task of each; of a stranger's
// container it is its ID.
func (e *Engine) made(ctx context.Context) (map[string]string, error) {
	records, err := e.records(ctx)
	if err != nil {
		return nil, err
	}
	of := map[string]string{}
	for _, r := range records {
		of[r.Image] = r.ID
		if name := r.Labels[labelName]; name != "" {
			of[r.Image] = name
		}
	}
	return of, nil
}

// remove forgets an image that nobody uses or pulls, and frees what no other image
// and no task needs; else the error is errUsed. A task that is made meanwhile waits
// and pulls the image again.
func (e *Engine) remove(ctx context.Context, img images.Image) error {
	if e.turns.try(img.Name) != nil {
		return fmt.Errorf("%w: it is being pulled or unpacked", errUsed)
	}
	defer e.turns.release(img.Name)
	user := e.giveUp(img)
	if user == "" {
		made, err := e.made(ctx)
		if err != nil {
			return err
		}
		user = made[img.Name]
	}
	if user != "" {
		return fmt.Errorf("%w by task %s", errUsed, user)
	}
	return e.client.ImageService().Delete(ctx, img.Name, images.SynchronousDelete())
}

// RemoveImage removes an image that no task uses. It is named as it was pulled or
// loaded, or by the beginning of its digest.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	all, err := e.client.ImageService().List(ctx)
	if err != nil {
		return failureNow(ctx, "remove image "+ref, err)
	}
	img, err := chosen(all, ref)
	if err != nil {
		return fmt.Errorf("image %s: %w", ref, err)
	}
	err = e.remove(ctx, img)
	switch {
	case gone(err):
		return fmt.Errorf("image %s: %w", ref, errNoSuchImage)
	case errors.Is(err, errUsed):
		return fmt.Errorf("image %s stays: %w", ref, err)
	case err != nil:
		return failureNow(ctx, "remove image "+ref, err)
	}
	return nil
}

// Unused returns the images that no task is made of and none of the needed
// references means, sorted by name.
func (e *Engine) Unused(ctx context.Context, needed []string) ([]Image, error) {
	_, unused, err := e.divided(ctx, needed)
	if err != nil {
		return nil, failureNow(ctx, "list unused images", err)
	}
	return e.describedAll(ctx, unused), nil
}

// divided are the images of this node: those that something needs, and the others.
func (e *Engine) divided(ctx context.Context, needed []string) (used, unused []images.Image, err error) {
	list, err := e.client.ImageService().List(ctx)
	if err != nil {
		return nil, nil, err
	}
	made, err := e.made(ctx)
	if err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	for _, task := range e.preparing {
		needed = append(needed, task.Spec.Image)
	}
	e.mu.Unlock()
	kept := meant(slices.AppendSeq(needed, maps.Keys(made))...)
	for _, img := range list {
		if kept.has(img) {
			used = append(used, img)
		} else {
			unused = append(unused, img)
		}
	}
	return used, unused, nil
}
