package api

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Guard lets only those requests through to next that carry a token which
// authorized knows, as a bearer or as the password of basic authentication (as
// Git sends it). It refuses Hosts other than the allowed ones, so that a page
// whose name was rebound to this address reaches nothing, and every Origin:
// browsers have no business here yet. /healthz needs no token. What answers over
// the socket only is refused with any token, also where requests are passed on.
func Guard(next http.Handler, hosts []string, authorized func(token string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !hostAllowed(r.Host, hosts):
			http.Error(w, "swarmgit: this address does not answer to the host "+r.Host, http.StatusMisdirectedRequest)
		case r.Header.Get("Origin") != "" && !sameOrigin(r):
			http.Error(w, "swarmgit: requests from other origins are refused", http.StatusForbidden)
		case isSocketOnly(r.URL.Path):
			http.Error(w, "swarmgit: this is answered over the daemon's own socket only", http.StatusForbidden)
		case r.URL.Path == "/healthz" || authorized(token(r)):
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="swarmgit"`)
			http.Error(w, "swarmgit: a token is needed: see \"swarmgit git-url\"", http.StatusUnauthorized)
		}
	})
}

func hostAllowed(host string, allowed []string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return slices.Contains(allowed, strings.ToLower(strings.Trim(name, "[]")))
}

func sameOrigin(r *http.Request) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host == r.Host
}

// token is what the request presents; "" for nothing that is understood.
func token(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return value
}
