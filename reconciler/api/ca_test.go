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

func (a *authority) CertExpiry(row specs.Authority, d time.Duration) (specs.Change, error) {
	a.note("expiry %s", d)
	row.CertExpiry = specs.Duration(d)
	return specs.Change{Authority: &row}, nil
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
}

// TestClusterUpdate writes all that it was asked to or nothing.
func TestClusterUpdate(t *testing.T) {
	const day = 24 * specs.Duration(time.Hour)
	for name, tc := range map[string]struct {
		request UpdateClusterRequest
		want    settings
		writes  uint64
		kind    wire.Kind
	}{
		"nothing":        {kind: wire.InvalidArgument},
		"a path outside": {request: UpdateClusterRequest{CertExpiry: new(day), Path: new("../stacks")}, kind: wire.InvalidArgument},
		"no time":        {request: UpdateClusterRequest{CertExpiry: new(day), OrphanAfter: new(-day)}, kind: wire.InvalidArgument},
		"the expiry":     {request: UpdateClusterRequest{CertExpiry: new(day)}, want: settings{expiry: day}, writes: 1},
		"orphans":        {request: UpdateClusterRequest{OrphanAfter: new(day)}, want: settings{orphans: day}, writes: 1},
		"the folder":     {request: UpdateClusterRequest{Path: new("/stacks/")}, want: settings{path: "stacks"}, writes: 1},
		"all":            {request: UpdateClusterRequest{new(day), new(2 * day), new("prod")}, want: settings{day, 2 * day, "prod"}, writes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := prod(t)
			s := w.server()
			s.Authority = &authority{}
			before := w.index
			_, err := s.updateCluster(t.Context(), tc.request)
			if (err == nil) != (tc.kind == 0) || err != nil && wire.KindOf(err) != tc.kind {
				t.Error(err)
			}
			source, _ := w.store.Snapshot().Source(specs.MainSource)
			got := settings{w.store.Snapshot().Authority().CertExpiry, w.store.Snapshot().Cluster().Spec.OrphanAfter, source.Path}
			if got != tc.want || w.index-before != tc.writes {
				t.Errorf("%+v in %d entries, want %+v in %d", got, w.index-before, tc.want, tc.writes)
			}
		})
	}
}

// settings are what a person can change of a cluster.
type settings struct {
	expiry, orphans specs.Duration
	path            string
}
