package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// hostPorts are the ports of a service that are published in mode host. Until
// networks are built its tasks have their node's network: a port of theirs is the
// node's own, and no other can be published.
func (b *builder) hostPorts(f *field, path string) []specs.HostPort {
	if f == nil {
		return nil
	}
	var out []specs.HostPort
	ingress := false
	for _, item := range f.value.items {
		switch {
		case item.wasLost("target"), item.wasLost("mode"):
		case item.get("mode").text() != "host":
			ingress = true
		default:
			out = b.hostPort(out, item, item.path(path+".ports"))
		}
	}
	if ingress {
		b.to.partial(f.pos, path+".ports", "published ports of mode ingress are not built yet; `mode: host` publishes on the nodes of the tasks")
	}
	slices.SortFunc(out, func(a, b specs.HostPort) int {
		return cmp.Or(cmp.Compare(a.Published, b.Published), strings.Compare(a.Protocol, b.Protocol))
	})
	return out
}

// hostPort adds one to those before it.
func (b *builder) hostPort(before []specs.HostPort, n *node, path string) []specs.HostPort {
	port := specs.HostPort{
		Published: uint16(n.get("published").int()), Target: uint16(n.get("target").int()),
		Protocol: n.get("protocol").text(),
	}
	at := n.pos
	if published := n.get("published"); published != nil {
		at = published.pos
	}
	switch {
	case port.Target == 0:
		b.to.problem(n.pos, path, "needs a target, the port that the task listens on")
		return before
	case port.Published != port.Target:
		b.to.partial(at, path+".published", fmt.Sprintf("must be %d, like target, until networks are built: until then a task has its node's network, and listens there", port.Target))
		port.Published = port.Target
	}
	if slices.Contains(before, port) {
		b.to.problem(at, path, fmt.Sprintf("publishes %s a second time: keep one", port))
	}
	return append(before, port)
}
