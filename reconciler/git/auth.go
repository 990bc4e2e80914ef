package git

import (
	"net/http"
	"strings"
)

// RequireToken lets requests through whose token authorize accepts: the
// password of HTTP basic authentication, whatever the user name, or a bearer
// token. Others are asked for it, in the way that git's credential helpers
// answer.
func RequireToken(authorize func(token string) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, ok := tokenOf(r); !ok || !authorize(token) {
			w.Header().Set("WWW-Authenticate", `Basic realm="swarmgit"`)
			http.Error(w, "the cluster wants its token: swarmgit git-url", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func tokenOf(r *http.Request) (string, bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, strings.EqualFold(scheme, "bearer") && token != ""
}
