package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// ForwardedPath stands before the path of a request that one manager passes on
// to another. wire.Authorize lets managers alone call what begins so.
const ForwardedPath = "/swarmgit.manager/people"

// Leader is who leads the cluster.
type Leader struct {
	NodeID string
	Dial   wire.Dial // to its node port; nil: this manager leads
	// Succeeded returns once another manager leads, or ctx ends. While nobody leads
	// it waits for the first that does, and if this manager did, for any change since.
	Succeeded func(ctx context.Context)
	// Leaderless is how long nobody has been known to lead; there is no Dial then.
	Leaderless time.Duration
}

// MetricsPath is where Prometheus asks, as it does by default.
const MetricsPath = "/metrics"

// own are the paths that the daemon answers that was asked, whoever leads: of its
// images, its health and metrics, the tokens for its port, and what it has seen happen.
var own = map[string]bool{
	"/healthz": true, MetricsPath: true, string(LoadImage): true, string(ListImages): true, string(RemoveImage): true, string(UnusedImages): true, string(GitURL): true,
	string(ListEvents): true, // every manager finds them in what it applies, and tells on when another one leads
}

// reads are the paths that a manager answers from its own copy while nobody
// leads. It may be a moment old. Wait is none of them: of a revision that is not
// in the copy it would say that the one before is healthy.
var reads = map[string]bool{
	string(GetStatus): true, string(InspectCluster): true, string(ListNodes): true, string(InspectNode): true,
	string(ListServices): true, string(InspectService): true, string(ListTasks): true, string(InspectTask): true,
	string(ListStacks): true, string(ListRevisions): true, string(Plan): true,
	string(ListReviews): true, string(GetReview): true,
	string(ListSources): true, string(FindOrigin): true, string(ListRegistries): true,
}

// ElectionPatience is how long people's requests wait for a manager to lead: an
// election takes a fraction of it.
const ElectionPatience = 3 * time.Second

// Forward passes the requests of people on to the leader, Git's too, and gives
// next those that this manager answers itself. Streams flow both ways at the
// same time, and who goes away is gone at the leader too. leader is asked for
// each request; it is false while nobody leads. A request that nobody has begun
// waits for the next leader, for as long as ElectionPatience: it has reached nobody,
// or a leader that had lost its office before it wrote anything.
func Forward(next http.Handler, leader func() (Leader, bool)) http.Handler {
	return &forwarder{next: next, leader: leader, shared: proxy(wire.Transport(dialLeader)), own: proxy(wire.OwnConnections(dialLeader))}
}

type forwarder struct {
	next        http.Handler
	leader      func() (Leader, bool)
	shared, own *httputil.ReverseProxy // by the connection that they go over
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	patience, cancel := context.WithTimeout(r.Context(), ElectionPatience)
	defer cancel()
	body := &kept{from: r.Body}
	for {
		leader, known := f.leader()
		words := noLeaderFor(leader.Leaderless)
		switch {
		case own[r.URL.Path] || !known && reads[r.URL.Path]:
			f.next.ServeHTTP(w, r)
			return
		case known && leader.Dial == nil:
			if begun(f.next, w, body.again(r)) {
				return
			}
		case known:
			unsent := f.pass(w, body.again(r), leader)
			if unsent == nil {
				return
			}
			if unsent != errNotBegun {
				words = "the leader cannot be reached, nothing was changed: try again in a moment: " + unsent.Error()
			}
		}
		if patience.Err() != nil || leader.Leaderless >= ElectionPatience || !body.whole() {
			refuse(w, r, wire.Unavailable, words)
			return
		}
		leader.Succeeded(patience)
	}
}

// lastAnswer is how long a leader may take to answer once another leads. One that has
// handed over had begun before; a machine that lost its power says nothing for long.
const lastAnswer = 500 * time.Millisecond

// pass has the leader answer, unless it cannot be reached: then the request is
// as it was.
func (f *forwarder) pass(w http.ResponseWriter, r *http.Request, leader Leader) (unsent error) {
	// Git reads while it writes. HTTP/2 can do that anyway, and says so by an error.
	_ = http.NewResponseController(w).EnableFullDuplex()
	ctx, lose := context.WithCancelCause(r.Context())
	to := &passed{Leader: leader, end: func() { lose(nil) }}
	var watching sync.WaitGroup
	defer watching.Wait()
	defer lose(nil)
	watching.Go(func() {
		leader.Succeeded(ctx)
		_ = bell.Sleep(ctx, lastAnswer)
		lose(errSucceeded)
	})
	out := r.WithContext(context.WithValue(ctx, leaderKey{}, to))
	out.Body = io.NopCloser(r.Body) // a transport closes what it could not send
	f.proxy(r).ServeHTTP(w, out)
	return to.unsent
}

var errSucceeded = errors.New("another manager leads by now")

const noLeader = "no manager leads right now: nothing was changed, and what runs goes on: try again in a moment"

// LongLeaderless is how long nobody has to lead until people are told what to do
// if that stays so: an election takes seconds.
const LongLeaderless = time.Minute

// WayBack is what to do when so many managers are lost that nobody ever leads.
const WayBack = `if a majority of the managers is lost for ever: see "swarmgit daemon force-new-cluster --help"`

func noLeaderFor(d time.Duration) string {
	if d < LongLeaderless {
		return noLeader
	}
	return noLeader + "; " + WayBack
}

// end is why a request ended before it was answered.
type end struct {
	kind     wire.Kind
	why, now string
}

func (e *end) words() string { return e.why + ", " + e.now }

// unknown is for what may have changed something.
func (e *end) unknown() string { return "outcome not known (" + e.why + " meanwhile)" }

var leaderGone = &end{wire.Unavailable, "the leader went away", "what runs goes on: ask again in a moment"}

// endedBy is why a request that was passed on has ended; nil if who asked is gone, or
// this daemon is going.
func endedBy(ctx context.Context) *end {
	switch {
	case context.Cause(ctx) == ErrTokenGone:
		return tokenGone
	case ctx.Err() == nil, context.Cause(ctx) == errSucceeded:
		return leaderGone
	}
	return nil
}

// proxy gives a connection of their own to requests that bring much: one that
// waits for its turn at the leader would fill the window that all requests of a
// connection share, and its turn never come.
func (f *forwarder) proxy(r *http.Request) *httputil.ReverseProxy {
	if isCall(r) && r.URL.Path != string(Plan) {
		return f.shared
	}
	return f.own
}

// isCall tells procedures from Git and whatever else is served to people.
func isCall(r *http.Request) bool {
	return strings.HasPrefix(strings.TrimPrefix(r.URL.Path, ForwardedPath), "/swarmgit.api/")
}

// leaderKey marks a request with the leader that it goes to.
type leaderKey struct{}

// passed is a request that goes to that leader.
type passed struct {
	Leader
	end    func()
	unsent error // why it has not left
}

func leaderOf(ctx context.Context) *passed { return ctx.Value(leaderKey{}).(*passed) }

func dialLeader(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := leaderOf(ctx).Dial(ctx)
	if err != nil {
		return nil, &notSent{err}
	}
	return conn, nil
}

// notSent is why a request never left.
type notSent struct{ error }

func proxy(t http.RoundTripper) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport: t, FlushInterval: -1, // each write at once
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", leaderOf(p.In.Context()).NodeID
			p.Out.URL.Path = ForwardedPath + p.In.URL.Path
			if p.In.URL.RawPath != "" {
				p.Out.URL.RawPath = ForwardedPath + p.In.URL.RawPath
			}
			p.Out.Header.Del("Authorization") // it is for this daemon, which has looked at it
			p.Out.Header.Del("Expect")        // this daemon has answered it
			p.Out.Header.Set(askerHeader, Asker(p.In.Context()))
		},
		ModifyResponse: finish,
		ErrorHandler:   lost,
	}
}

// lost answers a request whose leader has not answered it, but not one that has
// not left.
func lost(w http.ResponseWriter, r *http.Request, err error) {
	path, why := strings.TrimPrefix(r.URL.Path, ForwardedPath), endedBy(r.Context())
	var dialled *notSent
	switch {
	case why == nil:
		panic(http.ErrAbortHandler) // who asked is gone, or this daemon is going: no answer may look like one
	case errors.As(err, &dialled):
		leaderOf(r.Context()).unsent = dialled
	case err == errNotBegun:
		leaderOf(r.Context()).unsent = errNotBegun
	case reads[path], r.Header.Get("Content-Type") == streamReply:
		refuse(w, r, why.kind, why.words())
	case isPush(r):
		endPush(w, pushFrames.end(why))
	default:
		refuse(w, r, wire.OutcomeUnknown, why.unknown()+": see \"swarmgit status\"; asking again is safe")
	}
}

// refuse answers in words: a procedure's caller as that expects it, a push as
// git does, others in plain text, which git shows.
func refuse(w http.ResponseWriter, r *http.Request, kind wire.Kind, words string) {
	switch {
	case isCall(r):
		wire.Refuse(w, r, wire.Errorf(kind, "%s", words))
	case isPush(r):
		endPush(w, lastPacket("\nswarmgit: "+words+"\n"))
	default:
		http.Error(w, "swarmgit: "+words, http.StatusServiceUnavailable)
	}
}

func isPush(r *http.Request) bool { return r.Header.Get("Content-Type") == pushRequest }

// endPush answers a push with these packets: of another status git would show
// no words.
func endPush(w http.ResponseWriter, packets []byte) {
	w.Header().Set("Content-Type", pushResult)
	_, _ = w.Write(packets) // who has gone needs no answer
}

// Forwarded answers on the leader what other managers pass on, below
// ForwardedPath. people ask for no token: the other manager has. leads waits until
// somebody leads, or ctx ends, and tells whether it is this manager. Otherwise the
// request goes back to the other one, not begun: to pass it on from here would be to
// ask in another's name.
func Forwarded(people http.Handler, leads func(ctx context.Context) bool) http.Handler {
	return http.StripPrefix(ForwardedPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		patience, cancel := context.WithTimeout(r.Context(), ElectionPatience)
		defer cancel()
		if !leads(patience) || !begun(people, w, asking(r, r.Header.Get(askerHeader))) {
			w.Header().Set(notBegunHeader, "true")
			refuse(w, r, wire.Unavailable, noLeader)
		}
	}))
}
