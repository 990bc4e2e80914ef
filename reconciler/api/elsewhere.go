package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// Elsewhere answers people on a node that is no manager, over its port and its
// socket: it names the managers, which are asked for each request.
func Elsewhere(managers func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		words := "this node is a worker, and knows no manager at the moment: ask on a manager"
		if known := managers(); len(known) > 0 {
			words = "this node is a worker: ask a manager: " + strings.Join(known, ", ")
		}
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
