package containerd

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// initTarget is where a task with init: true finds its init program.
const initTarget = "/sbin/docker-init"

// defaultShmSize is that of /dev/shm, as in Docker.
const defaultShmSize = 64 << 20

// mounts are the usual ones, our files, and the task's own over them, parents
// before children. propagation is what the task's mounts need of its root.
func (h host) mounts(task executor.Task, files hostFiles) (all []ocispec.Mount, propagation string, err error) {
	own := make([]ocispec.Mount, 0, len(task.Spec.Mounts)+len(task.Files))
	for _, f := range task.Files {
		own = append(own, bind(f.Source, f.Target, "ro", "rprivate", "nosuid", "nodev", "noexec"))
	}
	for _, m := range task.Spec.Mounts {
		mount, err := taskMount(m)
		if err != nil {
			return nil, "", err
		}
		own = append(own, mount)
		propagation = cmp.Or(rootPropagation(m.Propagation), propagation)
	}
	slices.SortStableFunc(own, func(a, b ocispec.Mount) int {
		return cmp.Compare(strings.Count(a.Destination, "/"), strings.Count(b.Destination, "/"))
	})
	for _, m := range slices.Concat(usualMounts(task.Spec.ShmSize), files.mounts(), h.initMount(task.Spec)) {
		if !slices.ContainsFunc(own, func(o ocispec.Mount) bool { return o.Destination == m.Destination }) {
			all = append(all, m)
		}
	}
	return append(all, own...), propagation, nil
}

func usualMounts(shm specs.Bytes) []ocispec.Mount {
	inert := []string{"nosuid", "noexec", "nodev"}
	with := func(options ...string) []string { return append(slices.Clone(inert), options...) }
	return []ocispec.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: inert},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts",
			Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm",
			Options: with("mode=1777", fmt.Sprintf("size=%d", cmp.Or(shm, defaultShmSize)))},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: inert},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: with("ro")},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: with("ro")},
	}
}

func (h host) initMount(task specs.TaskSpec) []ocispec.Mount {
	if !task.Init {
		return nil
	}
	return []ocispec.Mount{bind(h.initPath, initTarget, "ro")}
}

func bind(source, target string, options ...string) ocispec.Mount {
	return ocispec.Mount{Destination: target, Type: "bind", Source: source, Options: append([]string{"rbind"}, options...)}
}

func taskMount(m specs.Mount) (ocispec.Mount, error) {
	if !path.IsAbs(m.Target) {
		return ocispec.Mount{}, fmt.Errorf("mount target %q is not an absolute path", m.Target)
	}
	m.Target = path.Clean(m.Target)
	switch m.Type {
	case specs.MountBind:
		return bindMount(m)
	case specs.MountTmpfs:
		return tmpfsMount(m), nil
	}
	return ocispec.Mount{}, fmt.Errorf("mount of type %q at %s: this node can mount only bind and tmpfs", m.Type, m.Target)
}

func bindMount(m specs.Mount) (ocispec.Mount, error) {
	if !path.IsAbs(m.Source) {
		return ocispec.Mount{}, fmt.Errorf("bind source %q is not an absolute path", m.Source)
	}
	if _, err := os.Stat(m.Source); errors.Is(err, fs.ErrNotExist) {
		if !m.CreateHost {
			return ocispec.Mount{}, fmt.Errorf(
				"bind source %s does not exist on this node: create it, or set bind.create_host_path", m.Source)
		}
		if err := os.MkdirAll(m.Source, 0o755); err != nil {
			return ocispec.Mount{}, fmt.Errorf("create bind source %s: %w", m.Source, err)
		}
	} else if err != nil {
		return ocispec.Mount{}, fmt.Errorf("bind source %s: %w", m.Source, err)
	}
	source, err := followed(m.Source)
	if err != nil {
		return ocispec.Mount{}, err
	}
	return bind(source, m.Target, access(m.ReadOnly), cmp.Or(m.Propagation, "rprivate")), nil
}

// followed is where the links of this node lead from the source of a bind. They may
// not lead to what the managers would not have let pass by its name.
func followed(source string) (string, error) {
	target, err := filepath.EvalSymlinks(source)
	if err != nil {
		return "", fmt.Errorf("bind source %s: %w", source, err)
	}
	named := specs.HoldsEngineSocket(source) || path.Clean(source) == "/"
	if !named && (specs.HoldsEngineSocket(target) || target == "/") {
		return "", fmt.Errorf("bind source %s leads to %s on this node, where the socket of a container engine is: no link may lead there", source, target)
	}
	return target, nil
}

func access(readOnly bool) string {
	if readOnly {
		return "ro"
	}
	return "rw"
}

func tmpfsMount(m specs.Mount) ocispec.Mount {
	options := []string{"nosuid", "nodev", "noexec", access(m.ReadOnly)}
	if m.TmpfsSize > 0 {
		options = append(options, fmt.Sprintf("size=%d", m.TmpfsSize))
	}
	if m.TmpfsMode > 0 {
		options = append(options, fmt.Sprintf("mode=%o", m.TmpfsMode))
	}
	return ocispec.Mount{
		Destination: m.Target, Type: "tmpfs", Source: "tmpfs", Options: append(options, m.TmpfsOpts...),
	}
}

// rootPropagation is what the root of a task must be so that a bind of this
// propagation works; empty for the private ones.
func rootPropagation(p string) string {
	switch p {
	case "shared", "rshared":
		return "shared"
	case "slave", "rslave":
		return "rslave"
	}
	return ""
}
