package containerd

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// defaultPath is the PATH of a process whose image says nothing.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// What of /proc and /sys a task must not see, and what it must not write, as in
// Docker.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
		"/sys/devices/virtual/powercap", "/sys/firmware",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// runtimeSpec is everything that runc is told of a task. files are the host's
// files that become the task's hosts, hostname and resolv.conf.
func (h host) runtimeSpec(task executor.Task, img *image, cgroup string, files hostFiles) (*ocispec.Spec, error) {
	process, err := h.process(task, img)
	if err != nil {
		return nil, err
	}
	mounts, propagation, err := h.mounts(task, files)
	if err != nil {
		return nil, err
	}
	spec := &ocispec.Spec{
		Version:  ocispec.Version,
		Root:     &ocispec.Root{Path: "rootfs", Readonly: task.Spec.ReadOnly},
		Process:  process,
		Hostname: hostname(task),
		Mounts:   mounts,
		Linux: &ocispec.Linux{
			CgroupsPath:       cgroup,
			Resources:         h.resources(task.Spec.Limits),
			Namespaces:        h.namespaces(),
			Sysctl:            task.Spec.Sysctls,
			MaskedPaths:       maskedPaths,
			ReadonlyPaths:     readonlyPaths,
			RootfsPropagation: propagation,
		},
	}
	if h.seccomp {
		spec.Linux.Seccomp = seccomp.DefaultProfile(spec)
	}
	return spec, nil
}

// namespaces are all but the network's, which is the host's until tasks have
// networks of their own.
func (h host) namespaces() []ocispec.LinuxNamespace {
	kinds := []ocispec.LinuxNamespaceType{
		ocispec.PIDNamespace, ocispec.IPCNamespace, ocispec.UTSNamespace, ocispec.MountNamespace,
	}
	if h.cgroups.Unified {
		kinds = append(kinds, ocispec.CgroupNamespace)
	}
	var all []ocispec.LinuxNamespace
	for _, kind := range kinds {
		all = append(all, ocispec.LinuxNamespace{Type: kind})
	}
	return all
}

// process is what runs in the task, as whom and with which rights.
func (h host) process(task executor.Task, img *image) (*ocispec.Process, error) {
	args, err := h.arguments(task.Spec, img)
	if err != nil {
		return nil, err
	}
	who, home, err := identify(task.Spec, img)
	if err != nil {
		return nil, err
	}
	rights, err := capabilities(task.Spec.CapAdd, task.Spec.CapDrop)
	if err != nil {
		return nil, err
	}
	held := &ocispec.LinuxCapabilities{Bounding: rights}
	if who.UID == 0 {
		held.Effective, held.Permitted = rights, rights
	}
	score := int(task.Spec.OOMScoreAdj)
	return &ocispec.Process{
		Terminal:        task.Spec.TTY,
		User:            who,
		Args:            args,
		Env:             environment(task, img, home),
		Cwd:             path.Join("/", cmp.Or(task.Spec.WorkingDir, img.config.WorkingDir)),
		Capabilities:    held,
		Rlimits:         rlimits(task.Spec.Ulimits),
		OOMScoreAdj:     &score,
		ApparmorProfile: h.apparmor,
	}, nil
}

// arguments joins entrypoint and command as Docker does: an own entrypoint
// discards the image's command too.
func (h host) arguments(task specs.TaskSpec, img *image) ([]string, error) {
	entrypoint, command := task.Entrypoint, task.Command
	if len(entrypoint) == 0 {
		entrypoint = img.config.Entrypoint
		if len(command) == 0 {
			command = img.config.Cmd
		}
	}
	args := slices.Concat(entrypoint, command)
	if len(args) == 0 {
		return nil, fmt.Errorf("image %s has no command: set command in the stack file", img.name)
	}
	if !task.Init {
		return args, nil
	}
	if h.initPath == "" {
		return nil, fmt.Errorf("init: true needs an init program on this node: install tini (one of %s)", strings.Join(initNames, ", "))
	}
	return append([]string{initTarget, "--"}, args...), nil
}

// environment is the image's with the task's over it.
func environment(task executor.Task, img *image, home string) []string {
	env := []string{defaultPath, "HOSTNAME=" + hostname(task)}
	if home != "" {
		env = append(env, "HOME="+home)
	}
	if task.Spec.TTY {
		env = append(env, "TERM=xterm")
	}
	return override(env, slices.Concat(img.config.Env, task.Spec.Env)...)
}

// override sets variables in an environment.
func override(env []string, entries ...string) []string {
	for _, entry := range entries {
		name, _, _ := strings.Cut(entry, "=")
		i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		if i < 0 {
			env = append(env, entry)
		} else {
			env[i] = entry
		}
	}
	return env
}

// hostnameLength is how much of a task's ID is its host name, as in Docker.
const hostnameLength = 12

func hostname(task executor.Task) string {
	return cmp.Or(task.Spec.Hostname, task.ID[:min(hostnameLength, len(task.ID))])
}

func rlimits(given []specs.Ulimit) []ocispec.POSIXRlimit {
	var limits []ocispec.POSIXRlimit
	for _, u := range given {
		limits = append(limits, ocispec.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: uint64(u.Soft), Hard: uint64(u.Hard),
		})
	}
	return limits
}
