package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs/bell"
)

const (
	// handshakeTimeout is how long somebody who connects may keep the port
	// waiting, once for his first words and once for who he is. What he waits for
	// the port does not count.
	handshakeTimeout = 10 * time.Second
	// crowdTimeout is the same while half of the places are taken: those who say
	// nothing must not keep the nodes out.
	crowdTimeout = time.Second
	// maxCallers is how many may be on their way in at the same time; others wait
	// in the kernel's queue. One costs about 12 kB before its handshake.
	maxCallers = 1024
	// maxHandshakes is how many handshakes of one protocol are under way at the
	// same time: more would only make each take longer. One costs about a
	// millisecond and 50 kB. Managers do not stand in line behind the nodes that
	// lost their leader.
	maxHandshakes = 64
	// maxStrangers is how many callers without a certificate may be inside at the
	// same time, each for strangerTime at most: who joins is done in a second, and
	// anybody may come. One costs about 100 kB.
	maxStrangers = 512
	strangerTime = time.Minute
)

// handshakesAtWork is how many handshakes may use a processor at the same time. A
// thousand nodes that come at once would else hold up the managers' heartbeats.
func handshakesAtWork() int { return max(1, runtime.GOMAXPROCS(0)/2) }

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
	callers     places
	handshakes  map[Protocol]places
	work        places // of handshakes of nodes
	strangers   places

	mu   sync.Mutex
	told map[string]time.Time // refusals that are in the log
}

// NewPort returns the port over a listener that is open, and owns it.
func NewPort(l net.Listener, c *Credentials, log *slog.Logger) *Port {
	p := &Port{
		listener: l, credentials: c, log: log, inside: map[Protocol]*Queue{},
		callers: make(places, maxCallers), handshakes: map[Protocol]places{},
		work: make(places, handshakesAtWork()), strangers: make(places, maxStrangers), told: map[string]time.Time{},
	}
	for _, protocol := range []Protocol{Calls, Sessions, Raft} {
		p.inside[protocol], p.handshakes[protocol] = NewQueue(l.Addr()), make(places, maxHandshakes)
	}
	return p
}

// Listener yields the connections that speak a protocol, as *tls.Conn whose
// handshake is done. Connections that nobody accepts are closed after a while.
func (p *Port) Listener(protocol Protocol) *Queue { return p.inside[protocol] }

// Run takes connections until ctx ends, then closes the port.
func (p *Port) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, p.Close)()
	var greetings sync.WaitGroup
	defer greetings.Wait()
	defer p.Close()
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			p.log.WarnContext(ctx, "a connection of a node was not taken", "err", err)
			if err := bell.Sleep(ctx, acceptPause); err != nil {
				return nil
			}
			continue
		}
		if !p.callers.take(ctx) {
			_ = conn.Close() // the port closes
			return nil
		}
		greetings.Go(func() {
			defer p.callers.leave()
			p.greet(ctx, conn)
		})
	}
}

// places are so many as its capacity; it holds who has one.
type places chan struct{}

// take waits for a place; it is false when ctx ended before.
func (p places) take(ctx context.Context) bool {
	select {
	case p <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p places) leave() { <-p }

// patience is how long one of those who have a place may keep the others waiting.
func (p places) patience() time.Duration {
	if len(p) > cap(p)/2 {
		return crowdTimeout
	}
	return handshakeTimeout
}

// acceptPause keeps a machine without free file descriptors from spinning.
const acceptPause = 50 * time.Millisecond

// greet learns who has connected, and what for.
func (p *Port) greet(ctx context.Context, raw net.Conn) {
	conn, err := p.handshake(ctx, raw)
	if err != nil {
		p.refused(ctx, raw.RemoteAddr().String(), err)
		_ = raw.Close() // it is given up
		return
	}
	if _, err := conn.Write([]byte{welcome}); err != nil { // one byte fits into any buffer
		_ = raw.Close() // whoever it was has gone
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	queue, ok := p.inside[Protocol(conn.ConnectionState().NegotiatedProtocol)]
	if !ok || !queue.Put(ctx, conn) {
		_ = conn.Close() // nobody wants it
	}
}

// handshake hears what is wanted, waits until there is room for that, and goes
// on.
func (p *Port) handshake(ctx context.Context, raw net.Conn) (*tls.Conn, error) {
	entrant := &entrant{Conn: raw}
	defer entrant.leave()
	config := p.credentials.server()
	choose := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		room, work := p.handshakes[Calls], p.work
		if slices.Equal(hello.SupportedProtos, []string{string(Raft)}) {
			room, work = p.handshakes[Raft], nil
		}
		if err := entrant.enter(ctx, room, work); err != nil {
			return nil, err
		}
		return choose(hello)
	}
	if err := raw.SetDeadline(time.Now().Add(p.callers.patience())); err != nil {
		return nil, err
	}
	conn := tls.Server(entrant, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if len(conn.ConnectionState().PeerCertificates) == 0 && !entrant.visit(p.strangers) {
		return nil, errors.New("too many callers without a certificate are inside already")
	}
	return conn, raw.SetDeadline(time.Time{})
}

// entrant is a connection whose handshake stands in line, and lets others work
// while it waits for the other side. Its places belong to the goroutine of the
// handshake, and are nil before and after.
type entrant struct {
	net.Conn
	room, work places
	closed     func() // nil unless it is a stranger's
}

// visit has a stranger's connection end soon; it is false if there is no place for
// it.
func (e *entrant) visit(strangers places) bool {
	select {
	case strangers <- struct{}{}:
	default:
		return false
	}
	e.closed = sync.OnceFunc(strangers.leave)
	time.AfterFunc(strangerTime, func() { _ = e.Close() }) // it had its time
	return true
}

// Close leaves the place of a stranger.
func (e *entrant) Close() error {
	if e.closed != nil {
		e.closed()
	}
	return e.Conn.Close()
}

func (e *entrant) enter(ctx context.Context, room, work places) error {
	if !room.take(ctx) {
		return ctx.Err()
	}
	e.room = room
	if work != nil {
		work <- struct{}{} // soon: nobody waits while he has it
	}
	e.work = work
	return e.SetDeadline(time.Now().Add(room.patience()))
}

func (e *entrant) leave() {
	if e.work != nil {
		e.work.leave()
	}
	if e.room != nil {
		e.room.leave()
	}
	e.room, e.work = nil, nil
}

// Read gives the turn to others while it waits.
func (e *entrant) Read(b []byte) (int, error) {
	work := e.work
	if work == nil {
		return e.Conn.Read(b)
	}
	work.leave()
	defer func() { work <- struct{}{} }()
	return e.Conn.Read(b)
}

// refusedPause is how often the log tells of one machine that it is refused for
// the same reason: one that was removed asks several times a second. Of so many
// others as maxTold it tells nothing meanwhile.
const (
	refusedPause = time.Minute
	maxTold      = 100
)

func (p *Port) refused(ctx context.Context, from string, why error) {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		host = from
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, key := time.Now(), host+" "+why.Error()
	maps.DeleteFunc(p.told, func(_ string, at time.Time) bool { return now.Sub(at) >= refusedPause })
	if _, told := p.told[key]; !told && len(p.told) < maxTold {
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
