package api

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// strangerPatience is how long somebody may take to send all of a request that
// shows no token.
const strangerPatience = 30 * time.Second

// Tokens is what a manager knows of the tokens for the port of people.
type Tokens interface {
	// TokenOf is what is known of a token, without a role if it is good for nothing.
	TokenOf(token string) specs.AccessToken
	// TokenEnds returns once what a good token began has to end with it, or ctx ends.
	TokenEnds(ctx context.Context, token string)
}

// Guard lets only those requests through to next that carry a token of a role
// that may ask for their path, as a bearer or as the password of basic
// authentication (as Git sends it); [Asker] tells its name from then on. Their
// contexts end with the token. It refuses Hosts other than the allowed ones, so
// that a page whose name was rebound to this address reaches nothing, and every
// Origin: browsers have no business here yet. /healthz needs no token, and a
// webhook shows in another way that it may call. What answers over the socket only
// is refused with any token, also where requests are passed on.
func Guard(next http.Handler, hosts []string, tokens Tokens) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An error says that the connection has gone, or cannot be slow.
		reading := http.NewResponseController(w)
		_ = reading.SetReadDeadline(time.Now().Add(strangerPatience))
		if !hostAllowed(r.Host, hosts) {
			http.Error(w, "swarmgit: this address does not answer to the host "+r.Host, http.StatusMisdirectedRequest)
			return
		}
		if r.Header.Get("Origin") != "" && !sameOrigin(r) {
			http.Error(w, "swarmgit: requests from other origins are refused", http.StatusForbidden)
			return
		}
		if isSocketOnly(r.URL.Path) {
			turnAway(w, r, wire.PermissionDenied, "this is answered over the daemon's own socket only")
			return
		}
		if isOpen(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		shown := token(r)
		switch as := tokens.TokenOf(shown); {
		case as.Role == "":
			w.Header().Set("WWW-Authenticate", `Basic realm="swarmgit"`)
			words := "a token is needed"
			if shown != "" {
				words += " that is good: this one is unknown, was removed or has expired"
			}
			turnAway(w, r, wire.Unauthenticated, words+`: see "swarmgit git-url" and "swarmgit token create"`)
		case !allows(as.Role, r.URL.Path):
			turnAway(w, r, wire.PermissionDenied, "a token of the role "+string(as.Role)+` may look and plan, not this: see "swarmgit token create --role admin"`)
		default:
			_ = reading.SetReadDeadline(time.Time{})
			serveWhileGood(next, w, asking(r, nameOf(as)), tokens, shown)
		}
	})
}

// lastWords is how long it may take to say why a request has ended, to somebody who
// does not read, say.
const lastWords = 5 * time.Second

var (
	tokenGone = &end{wire.Unauthenticated, "the token was removed or has expired", `and what it began has ended: see "swarmgit token create"`}
	// ErrTokenGone is why the context of a request ends with its token.
	ErrTokenGone = wire.Errorf(tokenGone.kind, "%s", tokenGone.words())
)

// serveWhileGood has next answer until the request's token is gone. The token is read
// before: next may change the headers.
func serveWhileGood(next http.Handler, w http.ResponseWriter, r *http.Request, tokens Tokens, token string) {
	ctx, cancel := context.WithCancelCause(r.Context())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() {
		tokens.TokenEnds(ctx, token)
		if ctx.Err() != nil {
			return
		}
		cancel(ErrTokenGone)
		if isPush(r) { // it reads on to say so: its client hears nothing before it has sent all
			return
		}
		waiting := http.NewResponseController(w) // an error says that there is no connection to wait for
		_ = waiting.SetReadDeadline(time.Now())
		_ = waiting.SetWriteDeadline(time.Now().Add(lastWords))
	})
	next.ServeHTTP(w, r.WithContext(ctx))
}

// isOpen reports whether a path is answered without a token. It does not know one
// that is written in another way, which may lead elsewhere.
func isOpen(path string) bool {
	source, isHook := strings.CutPrefix(path, WebhookPath)
	return path == "/healthz" || isHook && !strings.Contains(source, "/")
}

// turnAway answers a caller who may not ask, as that expects it.
func turnAway(w http.ResponseWriter, r *http.Request, kind wire.Kind, words string) {
	if isCall(r) {
		wire.Refuse(w, r, wire.Errorf(kind, "%s", words))
		return
	}
	status := http.StatusForbidden
	if kind == wire.Unauthenticated {
		status = http.StatusUnauthorized
	}
	http.Error(w, "swarmgit: "+words, status)
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
