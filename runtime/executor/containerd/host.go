package containerd

import (
	"log/slog"
	"os"
	"os/exec"

	"github.com/containerd/containerd/v2/contrib/apparmor"
	hostapparmor "github.com/containerd/containerd/v2/pkg/apparmor"
	"github.com/containerd/containerd/v2/pkg/seccomp"

	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
)

// apparmorProfile is the name under which containerd's default profile is
// loaded for our tasks.
const apparmorProfile = "swarmgit-default"

// host is what this machine can do, read once.
type host struct {
	cgroups  cgroup.FS
	seccomp  bool
	apparmor string // profile of every task, empty if the machine has no AppArmor
	initPath string // program for tasks with init: true, empty if none is installed
}

// initNames are the init programs that we know how to call: NAME -- COMMAND.
var initNames = []string{"docker-init", "tini", "tini-static", "catatonit"}

func readHost(log *slog.Logger) host {
	h := host{
		cgroups: cgroup.Find(cgroup.Root),
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
	return h
}

// pathExists reports whether a path exists on this machine.
func pathExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
