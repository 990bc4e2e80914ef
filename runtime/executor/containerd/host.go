package containerd

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"

	"github.com/containerd/containerd/v2/contrib/apparmor"
	hostapparmor "github.com/containerd/containerd/v2/pkg/apparmor"
	"github.com/containerd/containerd/v2/pkg/seccomp"
	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/specs"
)

// apparmorProfile is the name under which containerd's default profile is
// loaded for our tasks.
const apparmorProfile = "swarmgit-default"

// host is what this machine can do, read once.
type host struct {
	resources specs.Resources
	cgroups   cgroups
	seccomp   bool
	apparmor  string // profile of every task, empty if the machine has no AppArmor
	initPath  string // program for tasks with init: true, empty if none is installed
}

// initNames are the init programs that we know how to call: NAME -- COMMAND.
var initNames = []string{"docker-init", "tini", "tini-static", "catatonit"}

func readHost(log *slog.Logger) (host, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return host{}, fmt.Errorf("read this machine's memory size: %w", err)
	}
	h := host{
		resources: specs.Resources{
			CPUs:   specs.NanoCPUs(runtime.NumCPU()) * 1e9,
			Memory: specs.Bytes(uint64(info.Totalram) * uint64(info.Unit)),
		},
		cgroups: findCgroups("/sys/fs/cgroup"),
		seccomp: seccomp.IsEnabled(),
	}
	for _, name := range initNames {
		if path, err := exec.LookPath(name); err == nil {
			h.initPath = path
			break
		}
	}
	if hostapparmor.HostSupports() {
		if err := apparmor.LoadDefaultProfile(apparmorProfile); err != nil {
			log.Warn("tasks run without an AppArmor profile", "err", err)
		} else {
			h.apparmor = apparmorProfile
		}
	}
	return h, nil
}

// pathExists reports whether a path exists on this machine.
func pathExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
