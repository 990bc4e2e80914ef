package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/swarmgit/swarmgit/specs"
)

// The kernel's bounds of a CPU quota.
const (
	cpuPeriod    = 100_000   // microseconds; the usual period
	longPeriod   = 1_000_000 // microseconds; the longest allowed, for tiny shares
	minimumQuota = 1_000     // microseconds
)

// Quota is how many microseconds of processor time, in each period of so many, a
// share of the processors is.
func Quota(cpus specs.NanoCPUs) (quota int64, period uint64) {
	quota, period = int64(cpus)*cpuPeriod/1e9, cpuPeriod
	if quota < minimumQuota {
		quota, period = max(int64(cpus)*longPeriod/1e9, minimumQuota), longPeriod
	}
	return quota, period
}

// Made is a cgroup for one task.
type Made struct {
	Procs   []string // the files to which a process writes "0" to be in it, one a hierarchy
	Refused []string // why limits are not enforced, in words; none if all are
}

// Make makes a cgroup with limits, as far as this process may.
func (f FS) Make(cgroup string, limits specs.Limits) Made {
	var made Made
	f.enable(path.Dir(path.Clean(cgroup)))
	var refused error
	for _, hierarchy := range f.hierarchies() {
		dir := filepath.Join(hierarchy, cgroup)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			refused = err
			continue
		}
		made.Procs = append(made.Procs, filepath.Join(dir, "cgroup.procs"))
	}
	for _, l := range f.settings(limits) {
		err := refused
		if err == nil {
			err = f.set(cgroup, l)
		}
		if err != nil {
			made.Refused = append(made.Refused, fmt.Sprintf("the %s is not enforced on this node: %s", l.words, why(err)))
		}
	}
	return made
}

// hierarchies are the directories below which a task has a cgroup. Of version 1
// these are those that limit, and the one of version 2 beside them, if any.
func (f FS) hierarchies() []string {
	if f.Unified {
		return []string{f.Root}
	}
	var found []string
	for _, name := range []string{"memory", "cpu", "pids", "unified"} {
		if _, err := os.Stat(filepath.Join(f.Root, name, "cgroup.procs")); err == nil {
			found = append(found, filepath.Join(f.Root, name))
		}
	}
	return found
}

// enable makes version 2 offer its controllers below a cgroup, which is made if
// need be. What cannot be had shows when a limit is set.
func (f FS) enable(cgroup string) {
	if !f.Unified {
		return
	}
	if cgroup != "/" && cgroup != "." {
		f.enable(path.Dir(cgroup))
		_ = os.Mkdir(filepath.Join(f.Root, cgroup), 0o755)
	}
	for _, controller := range []string{"+memory", "+cpu", "+pids"} { // one by one: one that is missing refuses them all
		_ = write(filepath.Join(f.Root, cgroup, "cgroup.subtree_control"), controller)
	}
}

// setting is one limit in the words of people and of the kernel.
type setting struct {
	words      string
	controller string
	files      [][2]string // name and value, in the order of writing
}

func (f FS) settings(l specs.Limits) (all []setting) {
	if l.Memory > 0 {
		s := setting{fmt.Sprintf("memory limit of %s", l.Memory), "memory", [][2]string{{"memory.limit_in_bytes", fmt.Sprint(int64(l.Memory))}}}
		if f.Unified {
			s.files[0][0] = "memory.max"
		}
		switch { // as much swap as memory, as Docker does; version 1 counts both together
		case f.Unified:
			s.files = append(s.files, [2]string{"memory.swap.max", fmt.Sprint(int64(l.Memory))})
		case f.Swap:
			s.files = append(s.files, [2]string{"memory.memsw.limit_in_bytes", fmt.Sprint(2 * int64(l.Memory))})
		}
		all = append(all, s)
	}
	if l.CPUs > 0 {
		quota, period := Quota(l.CPUs)
		files := [][2]string{{"cpu.cfs_period_us", fmt.Sprint(period)}, {"cpu.cfs_quota_us", fmt.Sprint(quota)}}
		if f.Unified {
			files = [][2]string{{"cpu.max", fmt.Sprintf("%d %d", quota, period)}}
		}
		all = append(all, setting{fmt.Sprintf("limit of %s CPUs", l.CPUs), "cpu", files})
	}
	if l.Pids > 0 {
		all = append(all, setting{fmt.Sprintf("limit of %d processes", l.Pids), "pids", [][2]string{{"pids.max", fmt.Sprint(l.Pids)}}})
	}
	return all
}

func (f FS) set(cgroup string, s setting) error {
	for _, file := range s.files {
		err := write(f.File(s.controller, cgroup, file[0]), file[1])
		if errors.Is(err, fs.ErrNotExist) && file[0] == "memory.swap.max" {
			continue // a machine without swap accounting
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes to a file of the kernel, which is there or cannot be had.
func write(path, value string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}

// why says why a cgroup or its limit cannot be had.
func why(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "its daemon may make no cgroups: run it as root, or in a unit with Delegate=yes"
	case errors.Is(err, syscall.EROFS):
		return "its cgroups are mounted read-only"
	case errors.Is(err, fs.ErrNotExist):
		return "its kernel offers no such controller to the daemon"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
