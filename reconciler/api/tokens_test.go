package api

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestTokens(t *testing.T) {
	w := prod(t)
	client, ctx := w.dial(), t.Context()
	made, err := CreateToken.Call(ctx, client, CreateTokenRequest{Role: specs.Viewer, Name: "ci", Expires: specs.Duration(time.Hour)})
	if err != nil || made.Name != "ci" || len(made.Token) < len("swarmgit-")+20 {
		t.Fatalf("%+v, %v", made, err)
	}
	// Somebody else changes the cluster's row at the same time.
	w.before = func() {
		cluster := w.Snapshot().Cluster()
		cluster.Spec.OrphanAfter = specs.Duration(time.Hour)
		w.apply(specs.Change{Cluster: &cluster})
	}
	other, err := CreateToken.Call(ctx, client, CreateTokenRequest{Role: specs.Admin})
	if err != nil || !strings.HasPrefix(other.Name, "admin-") || other.Token == made.Token {
		t.Fatalf("%+v, %v", other, err)
	}
	stored := w.Snapshot().Cluster().Spec
	want := []specs.AccessToken{
		{Name: "ci", Role: specs.Viewer, Hash: specs.HashAccess(string(made.Token)), Created: noon, Expires: noon.Add(time.Hour)},
		{Name: other.Name, Role: specs.Admin, Hash: specs.HashAccess(string(other.Token)), Created: noon},
	}
	if diff := cmp.Diff(want, stored.Tokens); diff != "" || stored.OrphanAfter == 0 {
		t.Errorf("stored, orphan after %s (-want +got):\n%s", stored.OrphanAfter, diff)
	}
	listed, err := ListTokens.Call(ctx, client, Empty{})
	if diff := cmp.Diff([]Token{
		{Name: "ci", Role: specs.Viewer, Created: noon, Expires: noon.Add(time.Hour)}, {Name: other.Name, Role: specs.Admin, Created: noon},
	}, listed.Tokens); diff != "" || err != nil {
		t.Errorf("listed, %v (-want +got):\n%s", err, diff)
	}

	for _, c := range []struct {
		req  CreateTokenRequest
		kind wire.Kind
	}{
		{CreateTokenRequest{Role: specs.Viewer, Name: "ci"}, wire.AlreadyExists},
		{CreateTokenRequest{Name: "nobody"}, wire.InvalidArgument},
		{CreateTokenRequest{Role: "root"}, wire.InvalidArgument},
		{CreateTokenRequest{Role: specs.Viewer, Name: "a b"}, wire.InvalidArgument},
		{CreateTokenRequest{Role: specs.Viewer, Expires: -1}, wire.InvalidArgument},
	} {
		if reply, err := CreateToken.Call(ctx, client, c.req); wire.KindOf(err) != c.kind || reply.Token != "" {
			t.Errorf("%+v: %v", c.req, err)
		}
	}

	if _, err := RemoveToken.Call(ctx, client, ByName{Name: "ci"}); err != nil {
		t.Error(err)
	}
	if left := w.Snapshot().Cluster().Spec.Tokens; len(left) != 1 || left[0].Name != other.Name {
		t.Errorf("left: %+v", left)
	}
	if _, err := RemoveToken.Call(ctx, client, ByName{Name: "ci"}); wire.KindOf(err) != wire.NotFound {
		t.Errorf("removed twice: %v", err)
	}
	w.refusal = wire.Errorf(wire.Unavailable, "the disk is full")
	if reply, err := CreateToken.Call(ctx, client, CreateTokenRequest{Role: specs.Admin}); err == nil || reply.Token != "" {
		t.Errorf("one that is not stored: %+v, %v", reply, err)
	}
}

func TestReviews(t *testing.T) {
	w := prod(t) // at commit 2
	review := func(branch string, commitNo, base int, plan string) {
		w.apply(specs.Change{Review: specs.Insert(branch, specs.Review{
			Branch: branch, Commit: commit(commitNo), Base: commit(base), Author: "ana", Subject: "try", Verdict: "SAFE",
			Created: noon.Add(time.Duration(commitNo) * time.Minute), Plan: []byte(plan),
		})})
	}
	review("old", 4, 1, `{}`)
	review("fresh", 5, 2, `{"title":"of fresh over main 0000000","verdict":"SAFE"}`)
	review("merged", 2, 1, `{}`)
	client := w.dial()
	reply, err := ListReviews.Call(t.Context(), client, Empty{})
	if err != nil || len(reply.Reviews) != 3 {
		t.Fatalf("%+v, %v", reply, err)
	}
	fresh, old, merged := reply.Reviews[0], reply.Reviews[1], reply.Reviews[2]
	if fresh.Branch != "fresh" || fresh.Stale != "" || fresh.Applied || old.Stale == "" || old.Applied || !merged.Applied {
		t.Errorf("%+v", reply.Reviews)
	}
	shown, err := GetReview.Call(t.Context(), client, ByName{Name: "refs/heads/fresh"})
	if err != nil || shown.Review != fresh || shown.Plan.Title != "of fresh over main 0000000" {
		t.Errorf("%+v, %v", shown, err)
	}
	if _, err := GetReview.Call(t.Context(), client, ByName{Name: "none"}); wire.KindOf(err) != wire.NotFound {
		t.Errorf("of no branch: %v", err)
	}
}
