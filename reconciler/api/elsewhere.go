package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// AskManagers is what a worker that knows these managers says to people.
func AskManagers(known []string) string {
	if len(known) == 0 {
		return "this node is a worker, and knows no manager at the moment: ask on a manager"
	}
	return "this node is a worker: ask on the machine of a manager: " + strings.Join(known, ", ")
}

// Elsewhere answers people on a node that is no manager, over its port and its
// socket, in these words. They are asked for at each request.
func Elsewhere(say func(context.Context) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		words := say(r.Context())
		switch {
		case strings.HasPrefix(r.Header.Get("Content-Type"), "application/connect+"):
			wire.Refuse(w, r, wire.Errorf(wire.NotLeader, "%s", words)) // a stream's errors come after its status
		case isCall(r):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusMisdirectedRequest)
			// Connect's form of an error; who has gone needs no answer.
			_ = json.NewEncoder(w).Encode(map[string]string{"code": wire.NotLeader.String(), "message": words})
		default:
			http.Error(w, "swarmgit: "+words, http.StatusMisdirectedRequest)
		}
	})
}
