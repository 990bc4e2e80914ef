package api

import (
	"context"
	"net/http"
)

// askerHeader tells the leader for whom another manager passes a request on. What
// a person sends in it counts for nothing.
const askerHeader = "Swarmgit-Asker"

type askerKey struct{}

// Asker is who makes a request, for what is written down of it: "token NAME", or
// "" for whoever may use a daemon's own socket.
func Asker(ctx context.Context) string {
	name, _ := ctx.Value(askerKey{}).(string)
	return name
}

func asking(r *http.Request, name string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), askerKey{}, name))
}
