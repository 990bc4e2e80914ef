package api

import (
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// findService returns the service that name means: its name, whatever the case
// and also written stack/service, its ID, or a unique prefix of its ID.
func findService(snap store.Snapshot, name string) (specs.Service, error) {
	if svc, ok := snap.ServiceNamed(strings.Replace(name, "/", "_", 1)); ok {
		return svc, nil
	}
	svc, err := find("service", name, snap.Services(), func(s specs.Service) string { return s.ID })
	if wire.KindOf(err) == wire.NotFound {
		if near := nearService(snap, name); near != "" {
			err = wire.Errorf(wire.NotFound, "no such service: %s; did you mean %s? (see: swarmgit service ls)", name, near)
		}
	}
	return svc, err
}

// nearService is the service whose name was probably meant.
func nearService(snap store.Snapshot, name string) string {
	var names []string
	for svc := range snap.Services() {
		names = append(names, svc.Spec.Name)
	}
	slices.Sort(names)
	return schema.Nearest(strings.Replace(name, "/", "_", 1), names)
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
		return find("node", name, snap.Nodes(), func(n specs.Node) string { return n.ID })
	case 1:
		return named[0], nil
	}
	return specs.Node{}, wire.Errorf(wire.InvalidArgument,
		"%d nodes have the hostname %s: name one by its ID (swarmgit node ls)", len(named), name)
}

// find returns the one row whose ID is, or begins with, prefix.
func find[T any](kind, prefix string, rows func(func(T) bool), id func(T) string) (T, error) {
	var found []T
	for row := range rows {
		if id(row) == prefix {
			return row, nil
		}
		if prefix != "" && strings.HasPrefix(id(row), prefix) {
			found = append(found, row)
		}
	}
	var none T
	switch len(found) {
	case 0:
		return none, wire.Errorf(wire.NotFound, "no such %s: %s (see: swarmgit %s ls)", kind, prefix, kind)
	case 1:
		return found[0], nil
	}
	return none, wire.Errorf(wire.InvalidArgument, "%d %ss have IDs that begin with %s: write more of it", len(found), kind, prefix)
}
