package main

import (
	"io"
	"log/slog"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// rotation changes the root certificate while somebody pushes and the leader is
// killed. The old token lets nobody in after it.
func rotation(t *testing.T, f *realFleet) {
	leader, old := f.awaitLeader(t), f.token(t, false)
	n := f.followers(leader)[0]
	p := f.person(t, n)
	f.must(t, n, "ca", "rotate", "--detach")
	commit := note(t, p)
	leader.kill()
	f.awaitLeader(t, leader)
	f.launch(t, leader)
	f.await(t, "the rotation is over", func() bool { return n.rotated(t) })
	has(t, p, commit)
	note(t, p)

	isRefused(t, f.joins(t, old), wire.PermissionDenied, wire.ErrOtherCluster.Error())
	second := f.token(t, false)
	f.must(t, n, "cluster", "update", "--cert-expiry", "1h")
	do(t, f.joins(t, second))
	f.must(t, n, "join-token", "--rotate", "worker")
	isRefused(t, f.joins(t, second), wire.PermissionDenied, "token")
	do(t, f.joins(t, f.token(t, false)))
}

// rotated reports whether no rotation is under way, as far as the node knows.
func (c *realCluster) rotated(t testing.TB) bool {
	t.Helper()
	client, err := (&options{host: c.path("sock")}).connect()
	do(t, err)
	defer client.Close()
	for progress, err := range api.WatchCA.Call(t.Context(), client, api.Empty{}) {
		return err == nil && progress.Done
	}
	return false
}

// joins makes the machine that runs the tests a node, which never shows itself.
// It asks the leader: that is the only manager that it reaches.
func (f *realFleet) joins(t testing.TB, token string) error {
	t.Helper()
	parsed, err := specs.ParseJoinToken(token)
	do(t, err)
	leader := f.awaitLeader(t)
	addr := leader.machine.tunnel(t, leader.nodePort(), io.Discard)
	_, err = identity.Join(t.Context(), t.TempDir(), []string{addr}, parsed, slog.New(slog.DiscardHandler))
	return err
}
