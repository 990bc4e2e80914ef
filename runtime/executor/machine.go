package executor

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/specs"
)

// Machine describes this machine with all that it has; the executor adds what
// it runs.
func Machine() (specs.NodeDescription, error) {
	name, err := os.Hostname()
	if err != nil {
		return specs.NodeDescription{}, fmt.Errorf("read the host name: %w", err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return specs.NodeDescription{}, fmt.Errorf("read this machine's memory size: %w", err)
	}
	return specs.NodeDescription{
		Hostname: name, OS: runtime.GOOS, Arch: runtime.GOARCH,
		Resources: specs.Resources{
			CPUs:   specs.NanoCPUs(runtime.NumCPU()) * 1e9,
			Memory: specs.Bytes(uint64(info.Totalram) * uint64(info.Unit)),
		},
	}, nil
}
