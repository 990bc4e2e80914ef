package api

import (
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// findService returns the service that name means: its name, whatever the case
// and also written stack/service, its ID, or a unique prefix of its ID.
func findService(snap store.Snapshot, name string) (specs.Service, error) {
	if svc, ok := snap.ServiceNamed(strings.Replace(name, "/", "_", 1)); ok {
		return svc, nil
	}
	return find("service", name, snap.Services(), func(s specs.Service) (id, name string) { return s.ID, s.Spec.Name })
}

// findNode returns the node that name means: its hostname, its ID or a unique
// prefix of it, or "self" for the node that answers.
func findNode(snap store.Snapshot, name, self string) (specs.Node, error) {
	if name == "self" {
		name = self
	}
	var named []specs.Node
	for node := range snap.Nodes() {
		if node.Seen.Description.Hostname == name {
			named = append(named, node)
		}
	}
	switch len(named) {
	case 0:
		return find("node", name, snap.Nodes(), func(n specs.Node) (id, name string) { return n.ID, n.Seen.Description.Hostname })
	case 1:
		return named[0], nil
	}
	return specs.Node{}, wire.Errorf(wire.InvalidArgument,
		"%d nodes have the hostname %s: name one by its ID (swarmgit node ls)", len(named), name)
}

// find returns the one row whose ID is, or begins with, prefix.
func find[T any](kind, prefix string, rows func(func(T) bool), names func(T) (id, name string)) (T, error) {
	var found []T
	var known []string
	for row := range rows {
		id, name := names(row)
		if id == prefix {
			return row, nil
		}
		if prefix != "" && strings.HasPrefix(id, prefix) {
			found = append(found, row)
		}
		if len(known) < maxCompared {
			known = append(known, name)
		}
	}
	var none T
	switch len(found) {
	case 0:
		list := "swarmgit " + kind + " ls"
		if kind == "task" {
			list = "swarmgit service ps SERVICE"
		}
		return none, noSuch(kind, prefix, known, list)
	case 1:
		return found[0], nil
	}
	return none, wire.Errorf(wire.InvalidArgument, "%d %ss have IDs that begin with %s: write more of it", len(found), kind, prefix)
}

// maxCompared is among how many names one is looked for that may have been meant:
// that many take some milliseconds.
const maxCompared = 5000

// minMeant is how long a name is at least that may mean another: n2 is not n1.
const minMeant = 4

// noSuch says that there is no such thing, which of the known ones was probably
// meant, and which command lists them.
func noSuch(kind, name string, known []string, list string) error {
	meant := ""
	if near := specs.Nearest(strings.Replace(name, "/", "_", 1), known); near != "" && len(name) >= minMeant {
		meant = "; did you mean " + near + "?"
	}
	return wire.Errorf(wire.NotFound, "no such %s: %s%s (see: %s)", kind, name, meant, list)
}

func taskNames(t specs.Task) (id, name string) { return t.ID, t.Name() }
