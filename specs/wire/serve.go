package wire

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// SendTimeout is how long a stream waits for a node that takes nothing. It is
	// then cut off, rather than holding what others could use. A person, who
	// speaks JSON, may take any time: a pager reads no further than its user.
	SendTimeout = 10 * time.Second

	// pingAfter is how long a connection may be silent before it is asked
	// whether the other side is still there, and again how long that may take:
	// streams without end would else outlive a machine that lost its power.
	pingAfter = 15 * time.Second

	// headerTimeout bounds how long a connection may take to ask.
	headerTimeout = 10 * time.Second

	// idleTimeout is how long a connection stays that nobody uses.
	idleTimeout = 5 * time.Minute
)

// Serve answers what comes in by l, over HTTP/1.1 and over HTTP/2, with TLS where
// l brings it, until ctx ends. Then it closes l and every connection, and returns
// nil once the last handler has returned. Handlers see the end of ctx, and learn
// the calling node from Peer.
func Serve(ctx context.Context, l net.Listener, handler http.Handler) error {
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	both.SetUnencryptedHTTP2(true)
	handlers := gate{empty: make(chan struct{})}
	server := &http.Server{
		Protocols:         &both,
		HTTP2:             watchful(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       connContext,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if handlers.enter() {
				defer handlers.leave()
				handler.ServeHTTP(w, r)
			}
		}),
	}
	closed := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(closed)
		closeSoon(server)
	})()
	err := server.Serve(l)
	handlers.shut()
	if ctx.Err() != nil && (errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed)) {
		<-closed
		return nil
	}
	return err
}

// lastWords is how long answers under way may take to reach the other side once
// the server stops.
const lastWords = time.Second

// closeSoon closes every connection, those that answer after their answer.
func closeSoon(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close() // what is left had its time
	}
}

// maxFrame is the largest frame that is taken, in bytes: HTTP/2's own choice. Who
// sends a stream holds a buffer of that size for as long as the stream lasts.
const maxFrame = 16 << 10

// watchful notices that the other side is gone without a word.
func watchful() *http.HTTP2Config {
	return &http.HTTP2Config{
		SendPingTimeout: pingAfter, PingTimeout: pingAfter, WriteByteTimeout: SendTimeout, MaxReadFrameSize: maxFrame,
	}
}

// gate counts who is inside, and waits for them once it is shut. A WaitGroup
// forbids to enter while somebody waits, and a connection may do just that.
type gate struct {
	mu     sync.Mutex
	inside int
	closed bool
	empty  chan struct{} // closed once nobody is inside a shut gate
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.closed && g.inside == 0 {
		close(g.empty)
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	g.closed = true
	if g.inside == 0 {
		close(g.empty)
	}
	g.mu.Unlock()
	<-g.empty
}

// impatient gives every write of a stream to a node SendTimeout to be taken.
func impatient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == "application/connect+"+cborCodec.name {
			w = &deadlineWriter{w, http.NewResponseController(w)}
		}
		h.ServeHTTP(w, r)
	})
}

type deadlineWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *deadlineWriter) Write(p []byte) (n int, err error) {
	w.patiently(func() { n, err = w.ResponseWriter.Write(p) })
	return n, err
}

// Flush has no result by http.Flusher's contract; a stream that was cut off
// fails at its next write.
func (w *deadlineWriter) Flush() { w.patiently(func() { _ = w.control.Flush() }) }

// patiently does a write that is cut off after SendTimeout. A deadline set before
// each write would cost more than the write: HTTP/2 keeps it in another goroutine.
// A connection that knows no deadlines has no slow receivers either.
func (w *deadlineWriter) patiently(write func()) {
	cut := make(chan struct{})
	timer := time.AfterFunc(SendTimeout, func() {
		defer close(cut)
		_ = w.control.SetWriteDeadline(time.Now())
	})
	write()
	if !timer.Stop() {
		<-cut // or it would cut off whoever has the connection next
	}
}
