package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// notBegunHeader marks the answer to another manager whose request was not begun:
// it may ask the next leader.
const notBegunHeader = "Swarmgit-Not-Begun"

var errNotBegun = errors.New("the leader has lost its office")

// attempt is what is known of a call that this manager answers as the leader.
type attempt struct {
	mu             sync.Mutex
	begun, refused bool
}

type attemptKey struct{}

func (a *attempt) note(field *bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*field = true
}

// undone reports that the call wanted to write, and that nothing was written.
func (a *attempt) undone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused && !a.begun
}

// Begun notes that something was written for the call of this context, or that it is
// not known: then nobody may make the call again but who made it.
func Begun(ctx context.Context) {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		a.note(&a.begun)
	}
}

// Refused notes that nothing was written because this manager does not lead any more.
func Refused(ctx context.Context) {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		a.note(&a.refused)
	}
}

// begun has next answer. It is false, and nothing is answered, if that was a call
// that found the office lost before it wrote anything. Git's answers and streams
// begin at once.
func begun(next http.Handler, w http.ResponseWriter, r *http.Request) bool {
	if !isCall(r) || r.Header.Get("Content-Type") == streamReply {
		next.ServeHTTP(w, r)
		return true
	}
	a := new(attempt)
	answer := &late{ResponseWriter: w, attempt: a, header: w.Header().Clone()}
	next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), attemptKey{}, a)))
	return answer.give()
}

// late is an answer that is not given if the call was not begun by then.
type late struct {
	http.ResponseWriter
	attempt *attempt
	header  http.Header // until the answer begins
	given   bool
}

func (l *late) Header() http.Header {
	if l.given {
		return l.ResponseWriter.Header() // trailers
	}
	return l.header
}

func (l *late) WriteHeader(status int) {
	if l.give() {
		l.ResponseWriter.WriteHeader(status)
	}
}

func (l *late) Write(data []byte) (int, error) {
	if !l.give() {
		return len(data), nil
	}
	return l.ResponseWriter.Write(data)
}

// give reports whether the answer is given, and begins it.
func (l *late) give() bool {
	if l.given || l.attempt.undone() {
		return l.given
	}
	l.given = true
	for name, values := range l.header {
		l.ResponseWriter.Header()[name] = values
	}
	return true
}

func (l *late) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// maxKept is how many bytes of a request are kept to be sent to the next leader:
// every command, and a push of stack files.
const maxKept = 1 << 20

// kept is the body of a request that may have to be sent again.
type kept struct {
	from io.Reader
	over atomic.Bool // more was read than is kept

	mu     sync.Mutex // held while reading: what an attempt still waits for, the next one gets
	data   []byte
	latest *attemptBody
}

// whole reports whether an attempt from now on would send all of it.
func (k *kept) whole() bool { return !k.over.Load() }

// again is the request with its body from the beginning. Earlier attempts read no
// more of it.
func (k *kept) again(r *http.Request) *http.Request {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.latest = &attemptBody{kept: k}
	r = r.WithContext(r.Context())
	r.Body = io.NopCloser(k.latest) // the server closes what it reads from
	return r
}

type attemptBody struct {
	*kept
	at int // so much is read of the data
}

func (b *attemptBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.latest != b:
		return 0, http.ErrBodyReadAfterClose
	case b.at < len(b.data):
		n := copy(p, b.data[b.at:])
		b.at += n
		return n, nil
	}
	n, err := b.from.Read(p)
	if len(b.data)+n > maxKept {
		b.over.Store(true)
		b.data = nil
	}
	if b.whole() {
		b.data = append(b.data, p[:n]...)
		b.at += n
	}
	return n, err
}
