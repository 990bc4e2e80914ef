package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// handshakeTimeout is how long somebody who connects may take to say who he
	// is.
	handshakeTimeout = 10 * time.Second
	// maxHandshakes is how many may do so at the same time; others wait in the
	// kernel's queue. A handshake costs about a millisecond and 50 kB.
	maxHandshakes = 128
)

// Port is the one port that nodes meet at. It takes connections with TLS and
// hands them to the listener of the protocol that they speak.
type Port struct {
	listener    net.Listener
	credentials *Credentials
	log         *slog.Logger
	inside      map[Protocol]*Queue
}

// NewPort returns the port over a listener that is open, and owns it.
func NewPort(l net.Listener, c *Credentials, log *slog.Logger) *Port {
	p := &Port{listener: l, credentials: c, log: log, inside: map[Protocol]*Queue{}}
	for _, protocol := range []Protocol{Calls, Raft} {
		p.inside[protocol] = NewQueue(l.Addr())
	}
	return p
}

// Listener yields the connections that speak a protocol, as *tls.Conn whose
// handshake is done. Connections that nobody accepts are closed after a while.
func (p *Port) Listener(protocol Protocol) *Queue { return p.inside[protocol] }

// Run takes connections until ctx ends, then closes the port.
func (p *Port) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, p.Close)()
	var handshakes sync.WaitGroup
	defer handshakes.Wait()
	defer p.Close()
	room := make(chan struct{}, maxHandshakes)
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			p.log.WarnContext(ctx, "a connection of a node was not taken", "err", err)
			if err := pause(ctx, acceptPause); err != nil {
				return nil
			}
			continue
		}
		room <- struct{}{}
		handshakes.Go(func() {
			defer func() { <-room }()
			p.greet(ctx, conn)
		})
	}
}

// acceptPause keeps a machine without free file descriptors from spinning.
const acceptPause = 50 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// greet learns who has connected, and what for.
func (p *Port) greet(ctx context.Context, raw net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Server(raw, p.credentials.server())
	if err := conn.HandshakeContext(ctx); err != nil {
		p.log.InfoContext(ctx, "a connection to the node port was refused", "from", raw.RemoteAddr().String(), "why", err)
		_ = raw.Close() // it is given up
		return
	}
	queue, ok := p.inside[Protocol(conn.ConnectionState().NegotiatedProtocol)]
	if !ok || !queue.Put(ctx, conn) {
		_ = conn.Close() // nobody wants it
	}
}

// Close ends Run and the listeners. Connections that were accepted stay open.
func (p *Port) Close() {
	_ = p.listener.Close() // it is given up
	for _, queue := range p.inside {
		_ = queue.Close() // never fails
	}
}

// Queue is a listener whose connections are put into it.
type Queue struct {
	addr    net.Addr
	waiting chan net.Conn
	closed  chan struct{}
	close   func()
}

// NewQueue returns an open queue that says it listens at addr.
func NewQueue(addr net.Addr) *Queue {
	q := &Queue{addr: addr, waiting: make(chan net.Conn), closed: make(chan struct{})}
	q.close = sync.OnceFunc(func() { close(q.closed) })
	return q
}

// Put gives a connection to who accepts next. It is false when the queue was
// closed or ctx ended before.
func (q *Queue) Put(ctx context.Context, conn net.Conn) bool {
	select {
	case q.waiting <- conn:
		return true
	case <-q.closed:
	case <-ctx.Done():
	}
	return false
}

// Accept waits for a connection. It fails with net.ErrClosed once the queue is
// closed.
func (q *Queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.waiting:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Put.
func (q *Queue) Close() error {
	q.close()
	return nil
}

// Addr is where the connections came in.
func (q *Queue) Addr() net.Addr { return q.addr }
