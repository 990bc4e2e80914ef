package containerd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/specs"
)

// cgroups is the machine's cgroup file system, version 1 with one hierarchy per
// controller, or version 2 with one for all.
type cgroups struct {
	root    string
	unified bool // version 2
	swap    bool // version 1: swap is accounted and can be limited
}

func findCgroups(root string) cgroups {
	var stat unix.Statfs_t
	unified := unix.Statfs(root, &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
	return cgroups{
		root: root, unified: unified,
		swap: unified || pathExists(filepath.Join(root, "memory", "memory.memsw.limit_in_bytes")),
	}
}

// file is the path of a controller's file in the cgroup of a task.
func (c cgroups) file(controller, cgroup, name string) string {
	if c.unified {
		return filepath.Join(c.root, cgroup, name)
	}
	return filepath.Join(c.root, controller, cgroup, name)
}

// oomKills counts the processes of a cgroup that the kernel has killed because
// the cgroup had reached its memory limit. It is 0 if the cgroup is gone.
func (c cgroups) oomKills(cgroup string) (int, error) {
	name := c.file("memory", cgroup, "memory.oom_control")
	if c.unified {
		name = c.file("memory", cgroup, "memory.events")
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if count, ok := strings.CutPrefix(lines.Text(), "oom_kill "); ok {
			return strconv.Atoi(count)
		}
	}
	return 0, lines.Err()
}

// dirs are the directories of a cgroup, one a hierarchy.
func (c cgroups) dirs(cgroup string) []string {
	if c.unified {
		return []string{filepath.Join(c.root, cgroup)}
	}
	dirs, err := filepath.Glob(filepath.Join(c.root, "*", cgroup))
	if err != nil {
		panic(err) // the pattern is ours
	}
	return dirs
}

// clear removes a cgroup with all that lives in it. What a killed daemon left half
// made may go on for a moment and join the cgroup while it is removed; when it
// does not end in undoTime the error is temporary.
func (c cgroups) clear(ctx context.Context, cgroup string) error {
	patience, cancel := context.WithTimeout(ctx, undoTime)
	defer cancel()
	for {
		err := c.kill(patience, cgroup)
		if err == nil {
			err = c.remove(cgroup)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case patience.Err() != nil:
			return temporary(fmt.Sprintf("what runs in cgroup %s does not end", cgroup))
		case !errors.Is(err, unix.EBUSY):
			return err
		}
		if sleep(patience, undoPause) != nil {
			continue // to say why
		}
	}
}

// remove removes a cgroup that holds no process, and those below it.
func (c cgroups) remove(cgroup string) error {
	var errs []error
	for _, root := range c.dirs(cgroup) {
		if err := removeCgroup(root); err != nil {
			errs = append(errs, fmt.Errorf("remove cgroup %s: %w", root, err))
		}
	}
	return first(errs)
}

// removeCgroup removes directories only: a cgroup's files go with it.
func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // containerd may remove it too
		return err
	}
	return nil
}

// The kernel's bounds of a CPU quota.
const (
	cpuPeriod    = 100_000   // microseconds; the usual period
	longPeriod   = 1_000_000 // microseconds; the longest allowed, for tiny shares
	minimumQuota = 1_000     // microseconds
)

// resources are a task's limits in the runtime's words. Reservations are the
// scheduler's business alone.
func (c cgroups) resources(l specs.Limits) *ocispec.LinuxResources {
	r := &ocispec.LinuxResources{
		Devices: []ocispec.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
	}
	if l.CPUs > 0 {
		r.CPU = cpuQuota(l.CPUs)
	}
	if l.Memory > 0 {
		limit := int64(l.Memory)
		r.Memory = &ocispec.LinuxMemory{Limit: &limit}
		if c.swap {
			both := 2 * limit // memory and swap together, as Docker does
			r.Memory.Swap = &both
		}
	}
	if l.Pids > 0 {
		r.Pids = &ocispec.LinuxPids{Limit: &l.Pids}
	}
	return r
}

func cpuQuota(cpus specs.NanoCPUs) *ocispec.LinuxCPU {
	period := uint64(cpuPeriod)
	quota := int64(cpus) * cpuPeriod / 1e9
	if quota < minimumQuota {
		period = longPeriod
		quota = max(int64(cpus)*longPeriod/1e9, minimumQuota)
	}
	return &ocispec.LinuxCPU{Quota: &quota, Period: &period}
}
