package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// askerHeader tells the leader for whom another manager passes a request on. What
// a person sends in it counts for nothing.
const askerHeader = "Swarmgit-Asker"

type askerKey struct{}

// viewerMark begins the name of an asker who may only view.
const viewerMark = "viewer's "

func nameOf(token specs.AccessToken) string {
	name := "token " + token.Name
	if token.Role != specs.Admin {
		name = viewerMark + name
	}
	return name
}

// Asker is who makes a request, for what is written down of it: "token NAME",
// "viewer's token NAME", or "" for whoever may use a daemon's own socket.
func Asker(ctx context.Context) string {
	name, _ := ctx.Value(askerKey{}).(string)
	return name
}

// AskerViews reports that who makes a request may only look and plan.
func AskerViews(ctx context.Context) bool { return strings.HasPrefix(Asker(ctx), viewerMark) }

func asking(r *http.Request, name string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), askerKey{}, name))
}
