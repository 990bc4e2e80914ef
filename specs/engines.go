package specs

import (
	"path"
	"slices"
	"strings"
)

// engineRun is where swarmgit's own sockets are, and those of its private containerd.
const engineRun = "/run/swarmgit/"

// engineSockets are where the other container engines have theirs.
var engineSockets = []string{
	"/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock", engineRun,
}

// HoldsEngineSocket reports whether a path of a node is the socket of a container
// engine, or a folder for sockets with one in it: whoever holds that has the whole
// machine, also if it is mounted read-only. / is none of these folders. Where links
// lead only the node knows, whose executor asks again.
func HoldsEngineSocket(p string) bool {
	p = path.Clean("/" + p)
	if rest, ok := strings.CutPrefix(p+"/", "/var/run/"); ok {
		p = path.Clean("/run/" + rest)
	}
	return strings.HasPrefix(p, engineRun) || slices.ContainsFunc(engineSockets, func(socket string) bool {
		return socket == p || strings.HasPrefix(socket, p+"/")
	})
}
