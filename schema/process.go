package schema

import (
	"slices"

	"github.com/swarmgit/swarmgit/specs"
)

// containerKeys are those of a service that mean nothing without a container.
// Each would weaken a process in silence if it were dropped.
var containerKeys = []string{
	"image", "hostname", "read_only", "cap_add", "cap_drop", "tty", "stdin_open", "sysctls", "extra_hosts", "shm_size",
	"volumes", "tmpfs", "dns", "dns_search", "devices", "privileged", "security_opt", "userns_mode",
}

// process checks a service whose tasks are plain processes of their nodes.
func (b *builder) process(f *field, path string) {
	const why = "does not go with runtime: process, which has no container: "
	for _, key := range f.value.fields {
		switch {
		case key.value.kind == boolean && !key.value.bool():
		case slices.Contains(containerKeys, key.key):
			b.to.problem(key.pos, join(path, key.key), why+"remove it")
		case key.key == "networks":
			for _, network := range key.value.fields {
				if !b.isHostNetwork(network.key) && network.key != defaultNetwork {
					b.to.problem(network.pos, join(join(path, "networks"), network.key), why+"it has its node's network")
				}
			}
		}
	}
	n := f.value
	if len(n.get("entrypoint").texts())+len(n.get("command").texts()) == 0 && !n.wasLost("command") && !n.wasLost("entrypoint") {
		b.to.problem(f.pos, path, "needs a command, because runtime: process runs no image")
	}
}

// isProcess says whether the service's tasks are plain processes.
func isProcess(n *node) bool { return n.get("runtime").text() == specs.RuntimeProcess }
