package containerd

import (
	"context"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/mounts"
)

// bundlesDir is where containerd has the directories of its tasks, by namespace, in
// its state directory.
const bundlesDir = "io.containerd.runtime.v2.task"

// bundleInTheWay is how containerd says that a task's directory is there already.
var bundleInTheWay = regexp.MustCompile(`mkdir (/\S*/io\.containerd\.runtime\.v2\.task/\S+): file exists`)

// clearBundle takes away the directory of a task that containerd knows no more
// and could not take away itself: the process of an abandoned creation still
// held its root when it tried, and it does not try again. It is false if that is
// not what is wrong, or if the directory is not the task's.
func (e *Engine) clearBundle(refused error, id string) bool {
	found := bundleInTheWay.FindStringSubmatch(refused.Error())
	if found == nil {
		return false
	}
	bundle := found[1]
	if filepath.Base(bundle) != id || filepath.Base(filepath.Dir(bundle)) != e.config.Namespace {
		return false
	}
	return removeBundle(bundle, id) == nil
}

// clearBundles takes away what a private containerd has left of a task that it knows
// no more. It does not look there again, and hides what it is about to delete.
func (e *Engine) clearBundles(ctx context.Context, id string) {
	if e.config.State == "" {
		return
	}
	for _, name := range []string{id, "." + id} {
		bundle := filepath.Join(e.config.State, bundlesDir, e.config.Namespace, name)
		if !pathExists(bundle) {
			continue
		}
		if err := removeBundle(bundle, id); err != nil {
			e.log.WarnContext(ctx, "a directory of a removed task stays", "task", id, "err", err)
		}
	}
}

// removeBundle removes the directory of a task and what is in its root: the process
// of an abandoned creation may have written there when nothing was mounted any more.
// What is still mounted there is not emptied.
func removeBundle(bundle, id string) error {
	root := filepath.Join(bundle, "rootfs")
	for unix.Unmount(root, unix.MNT_DETACH) == nil {
	}
	if work, err := os.Readlink(filepath.Join(bundle, "work")); err == nil && filepath.Base(work) == id {
		_ = os.RemoveAll(work) // containerd clears these at its next start
	}
	return mounts.RemoveAll(bundle)
}
