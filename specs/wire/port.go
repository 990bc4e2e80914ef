package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"
)

const (
	// handshakeTimeout is how long somebody who connects may take to say who he
	// is.
	handshakeTimeout = 10 * time.Second
	// crowdTimeout is the same while half of maxHandshakes are under way: those who
	// say nothing must not keep the nodes out.
	crowdTimeout = time.Second
	// maxHandshakes is how many may do so at the same time; others wait in the
	// kernel's queue. A handshake costs about a millisecond and 50 kB.
	maxHandshakes = 128
)

// welcome is the first byte on each connection, from the port to who was let in.
// TLS 1.3 tells a refusal only after the handshake: a caller that did not wait
// for it would begin to write, and might see a broken connection instead.
const welcome = 'w'

// Port is the one port that nodes meet at. It takes connections with TLS and
// hands them to the listener of the protocol that they speak.
type Port struct {
	listener    net.Listener
	credentials *Credentials
	log         *slog.Logger
	inside      map[Protocol]*Queue

	mu   sync.Mutex
	told map[string]time.Time // refusals that are in the log
}

// NewPort returns the port over a listener that is open, and owns it.
func NewPort(l net.Listener, c *Credentials, log *slog.Logger) *Port {
	p := &Port{listener: l, credentials: c, log: log, inside: map[Protocol]*Queue{}, told: map[string]time.Time{}}
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
		patience := handshakeTimeout
		if len(room) > maxHandshakes/2 {
			patience = crowdTimeout
		}
		handshakes.Go(func() {
			defer func() { <-room }()
			p.greet(ctx, conn, patience)
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
func (p *Port) greet(ctx context.Context, raw net.Conn, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn := tls.Server(raw, p.credentials.server())
	if err := conn.HandshakeContext(ctx); err != nil {
		p.refused(ctx, raw.RemoteAddr().String(), err)
		_ = raw.Close() // it is given up
		return
	}
	if _, err := conn.Write([]byte{welcome}); err != nil { // one byte fits into any buffer
		_ = raw.Close() // whoever it was has gone
		return
	}
	queue, ok := p.inside[Protocol(conn.ConnectionState().NegotiatedProtocol)]
	if !ok || !queue.Put(ctx, conn) {
		_ = conn.Close() // nobody wants it
	}
}

// refusedPause is how often the log tells of one machine that it is refused for
// the same reason: one that was removed asks several times a second.
const refusedPause = time.Minute

func (p *Port) refused(ctx context.Context, from string, why error) {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		host = from
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, key := time.Now(), host+" "+why.Error()
	maps.DeleteFunc(p.told, func(_ string, at time.Time) bool { return now.Sub(at) >= refusedPause })
	if _, told := p.told[key]; !told {
		p.told[key] = now
		p.log.InfoContext(ctx, "a connection to the node port was refused", "from", from, "why", why)
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
