package api

import (
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestFindService(t *testing.T) {
	w := newWorld(t)
	w.service("shop", "web", 1, false)
	w.service("shop", "webhook", 1, false)
	w.service("shop", "api_v2", 1, false)
	snap := w.Snapshot()
	for _, c := range []struct {
		name string
		want string // service, or the error
		kind wire.Kind
	}{
		{"shop_web", "shop_web", 0},
		{"shop/web", "shop_web", 0},
		{"SHOP_Web", "shop_web", 0},
		{"shop/api_v2", "shop_api_v2", 0},
		{id("web"), "shop_web", 0},
		{"webh", "shop_webhook", 0},
		{"web", "2 services have IDs that begin with web: write more of it", wire.InvalidArgument},
		{"shop", "no such service: shop (see: swarmgit service ls)", wire.NotFound},
		{"shop/web/1", "no such service: shop/web/1; did you mean shop_web? (see: swarmgit service ls)", wire.NotFound},
		{"", "no such service:  (see: swarmgit service ls)", wire.NotFound},
	} {
		svc, err := findService(snap, c.name)
		wantFound(t, c.name, svc.Spec.Name, err, c.want, c.kind)
	}
}

func TestFindNode(t *testing.T) {
	w := newWorld(t)
	for _, hostname := range []string{"n1", "n2", "n22"} {
		w.node(hostname, specs.Worker, specs.NodeReady)
	}
	for _, twin := range []string{"a1", "a2"} {
		node := specs.Node{ID: id(twin), Seen: specs.NodeSeen{Description: specs.NodeDescription{Hostname: "twin"}}}
		w.apply(specs.Change{Node: specs.Insert(node.ID, node)})
	}
	snap := w.Snapshot()
	for _, c := range []struct {
		name string
		want string // ID, or the error
		kind wire.Kind
	}{
		{"n1", id("n1"), 0},
		{"self", id("n22"), 0},
		{"n2", id("n2"), 0}, // a hostname, though two IDs begin so
		{id("n2"), id("n2"), 0},
		{"n20", id("n2"), 0},
		{"n22", id("n22"), 0},
		{"a1", id("a1"), 0},
		{"twin", "2 nodes have the hostname twin: name one by its ID (swarmgit node ls)", wire.InvalidArgument},
		{"n", "3 nodes have IDs that begin with n: write more of it", wire.InvalidArgument},
		{"n9", "no such node: n9 (see: swarmgit node ls)", wire.NotFound},
	} {
		node, err := findNode(snap, c.name, id("n22"))
		wantFound(t, c.name, node.ID, err, c.want, c.kind)
	}
}

func wantFound(t *testing.T, asked, got string, err error, want string, kind wire.Kind) {
	t.Helper()
	if err != nil {
		got = err.Error()
	}
	if got != want || kind != 0 && wire.KindOf(err) != kind {
		t.Errorf("%q: got %q (%v), want %q (%v)", asked, got, wire.KindOf(err), want, kind)
	}
}
