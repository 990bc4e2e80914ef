package api

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// authority says what it was asked, and gives tokens whose secret says so too.
type authority struct{ asked []string }

func (a *authority) note(format string, args ...any) specs.JoinToken {
	a.asked = append(a.asked, fmt.Sprintf(format, args...))
	return specs.JoinToken{Secret: specs.Hidden(strings.Repeat("x", specs.IDLength))}
}

func (a *authority) Token(_ context.Context, role specs.Role, rotate bool) (specs.JoinToken, error) {
	return a.note("token %s %v", role, rotate), nil
}

func (a *authority) Readmit(_ context.Context, nodeID string) (specs.JoinToken, error) {
	return a.note("readmit %s", nodeID), nil
}

func (a *authority) Rotate(_ context.Context, req RotateCARequest) error {
	a.note("rotate %s %v", req.Cert, req.Abort)
	return nil
}

func (a *authority) SetCertExpiry(_ context.Context, d time.Duration) error {
	a.note("expiry %s", d)
	return nil
}

func (a *authority) Watch(_ context.Context, send func(CAProgress) error) error {
	return send(CAProgress{Text: "done", Done: true})
}

func (a *authority) Addrs() []string { return []string{"10.0.0.5:2377", "10.0.0.6:2377"} }

func TestCertificateAuthority(t *testing.T) {
	w, a := prod(t), &authority{}
	for name, until := range map[string]time.Time{"n1": noon.Add(time.Hour), "n2": noon.Add(-time.Hour), "n3": noon.Add(time.Hour)} {
		node, _ := w.store.Snapshot().Node(id(name))
		node.Seen.Certificate.NotAfter = until
		w.apply(specs.Change{NodeSeen: specs.Set(node.ID, node.SeenVersion, node.Seen)})
	}
	s := w.server()
	s.Authority = a
	token := JoinTokenReply{Token: specs.JoinToken{Secret: specs.Hidden(strings.Repeat("x", specs.IDLength))}.String(), Addr: "10.0.0.5:2377", Others: []string{"10.0.0.6:2377"}}
	ctx := t.Context()
	for name, tc := range map[string]struct {
		call func() (JoinTokenReply, error)
		want string
		kind wire.Kind
	}{
		"a token": {func() (JoinTokenReply, error) { return s.getJoinToken(ctx, JoinTokenRequest{Role: specs.Worker}) }, "token worker false", 0},
		"a new token": {func() (JoinTokenReply, error) {
			return s.getJoinToken(ctx, JoinTokenRequest{Role: specs.Manager, Rotate: true})
		}, "token manager true", 0},
		"a token of no role":                        {func() (JoinTokenReply, error) { return s.getJoinToken(ctx, JoinTokenRequest{}) }, "", wire.InvalidArgument},
		"readmitted by hostname":                    {func() (JoinTokenReply, error) { return s.readmitNode(ctx, ByName{"n2"}) }, "readmit " + id("n2"), 0},
		"not kept out":                              {func() (JoinTokenReply, error) { return s.readmitNode(ctx, ByName{"n1"}) }, "", wire.InvalidArgument},
		"not heard of, and its certificate is good": {func() (JoinTokenReply, error) { return s.readmitNode(ctx, ByName{"n3"}) }, "readmit " + id("n3"), 0},
		"readmitted by no one":                      {func() (JoinTokenReply, error) { return s.readmitNode(ctx, ByName{"n9"}) }, "", wire.NotFound},
	} {
		a.asked = nil
		got, err := tc.call()
		if (err == nil) != (tc.kind == 0) || err != nil && wire.KindOf(err) != tc.kind || strings.Join(a.asked, ";") != tc.want {
			t.Errorf("%s: asked %q, %v", name, a.asked, err)
		}
		if diff := cmp.Diff(token, got); err == nil && diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	a.asked = nil
	_, outside := s.updateCluster(ctx, UpdateClusterRequest{CertExpiry: new(specs.Duration(time.Hour)), Path: new("../stacks")})
	if wire.KindOf(outside) != wire.InvalidArgument || len(a.asked) != 0 {
		t.Errorf("with a mistake beside it, asked %q, %v", a.asked, outside)
	}
	_, nothing := s.updateCluster(ctx, UpdateClusterRequest{})
	_, err := s.updateCluster(ctx, UpdateClusterRequest{CertExpiry: new(specs.Duration(time.Hour))})
	if wire.KindOf(nothing) != wire.InvalidArgument || err != nil || strings.Join(a.asked, ";") != "expiry 1h0m0s" {
		t.Errorf("asked %q, %v, %v", a.asked, nothing, err)
	}
	_, negative := s.updateCluster(ctx, UpdateClusterRequest{OrphanAfter: new(specs.Duration(-time.Hour))})
	_, err = s.updateCluster(ctx, UpdateClusterRequest{OrphanAfter: new(specs.Duration(time.Hour))})
	if got := time.Duration(s.Cluster.Snapshot().Cluster().Spec.OrphanAfter); wire.KindOf(negative) != wire.InvalidArgument || err != nil || got != time.Hour {
		t.Errorf("tasks are given up after %s, %v, %v", got, negative, err)
	}
}
