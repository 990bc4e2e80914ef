package cgroup

import (
	"fmt"
	"os"
	"strings"
)

// limitFiles are the files, by controller, that hold a cgroup's limits.
func (f FS) limitFiles() map[string][]string {
	if f.Unified {
		return map[string][]string{"": {"cpu.max", "cpu.weight", "memory.max", "memory.swap.max", "pids.max"}}
	}
	return map[string][]string{
		"cpu":    {"cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.shares"},
		"memory": {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes"},
		"pids":   {"pids.max"},
	}
}

// Limits are the limits of a cgroup as the kernel has them now, a line "file
// value" for each that it has.
func (f FS) Limits(cgroup string) string {
	var lines strings.Builder
	files := f.limitFiles()
	for _, controller := range []string{"", "cpu", "memory", "pids"} {
		for _, name := range files[controller] {
			if value, err := os.ReadFile(f.File(controller, cgroup, name)); err == nil {
				fmt.Fprintf(&lines, "%s %s\n", name, strings.TrimSpace(string(value)))
			}
		}
	}
	return lines.String()
}

// Difference says how the limits now differ from those that were; "" if they do
// not, or if the cgroup is gone.
func Difference(were, now string) string {
	values := map[string]string{}
	for line := range strings.Lines(now) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[name] = value
	}
	var changes []string
	for line := range strings.Lines(were) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if is, there := values[name]; there && is != value {
			changes = append(changes, fmt.Sprintf("%s is %s, was %s", name, is, value))
		}
	}
	return strings.Join(changes, ", ")
}

// Exists reports whether there is such a cgroup.
func (f FS) Exists(cgroup string) bool {
	for _, dir := range f.Dirs(cgroup) {
		if _, err := os.Stat(dir); err == nil {
			return true
		}
	}
	return false
}
