package containerd

import (
	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
	"github.com/swarmgit/swarmgit/specs"
)

// resources are a task's limits in the runtime's words. Reservations are the
// scheduler's business alone.
func (h host) resources(l specs.Limits) *ocispec.LinuxResources {
	r := &ocispec.LinuxResources{
		Devices: []ocispec.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
	}
	if l.CPUs > 0 {
		quota, period := cgroup.Quota(l.CPUs)
		r.CPU = &ocispec.LinuxCPU{Quota: &quota, Period: &period}
	}
	if l.Memory > 0 {
		limit := int64(l.Memory)
		r.Memory = &ocispec.LinuxMemory{Limit: &limit}
		if h.cgroups.Swap {
			both := 2 * limit // memory and swap together, as Docker does
			r.Memory.Swap = &both
		}
	}
	if l.Pids > 0 {
		r.Pids = &ocispec.LinuxPids{Limit: &l.Pids}
	}
	return r
}
