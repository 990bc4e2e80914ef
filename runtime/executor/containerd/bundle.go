package containerd

import (
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

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
	root := filepath.Join(bundle, "rootfs")
	for unix.Unmount(root, unix.MNT_DETACH) == nil {
	}
	// Not RemoveAll: what is still mounted there must not be emptied.
	if err := os.Remove(root); err != nil && !os.IsNotExist(err) {
		return false
	}
	if work, err := os.Readlink(filepath.Join(bundle, "work")); err == nil && filepath.Base(work) == id {
		_ = os.RemoveAll(work) // containerd clears these at its next start
	}
	return os.RemoveAll(bundle) == nil
}
