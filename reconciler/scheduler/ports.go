package scheduler

import (
	"maps"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// ports says which nodes have a host port in use, by the port's text. A node has two
// holders of one only if a task held it before swarmgit knew of such ports.
type ports map[string]map[int32]int32

func (p ports) clone() ports {
	c := make(ports, len(p))
	for port, on := range p {
		c[port] = maps.Clone(on)
	}
	return c
}

// hold adds n holders of the ports to the node; a negative n takes them away.
func (p ports) hold(i int32, n int, wanted []specs.HostPort) {
	for _, port := range wanted {
		key := port.String()
		if p[key] == nil {
			p[key] = make(map[int32]int32)
		}
		if p[key][i] += int32(n); p[key][i] == 0 {
			delete(p[key], i)
		}
		if len(p[key]) == 0 {
			delete(p, key)
		}
	}
}

// held reports whether any port of the node is in use.
func (p ports) held(i int32) bool {
	for _, on := range p {
		if on[i] != 0 {
			return true
		}
	}
	return false
}

// moved is p with the indexes that nodes have got.
func (p ports) moved(to map[int32]int32) ports {
	m := make(ports, len(p))
	for port, on := range p {
		m[port] = make(map[int32]int32, len(on))
		for i, n := range on {
			m[port][to[i]] = n
		}
	}
	return m
}

// portList is the ports of a group in a form that can be compared.
func portList(wanted []specs.HostPort) string {
	list := make([]string, len(wanted))
	for i, port := range wanted {
		list[i] = port.String()
	}
	return strings.Join(list, " ")
}
