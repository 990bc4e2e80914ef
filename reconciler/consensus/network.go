package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Network joins the managers. Its connections come authenticated: whoever is at
// the other end is a manager of this cluster.
type Network interface {
	// Accept waits for the next connection that another manager opened. After
	// Close it returns an error.
	Accept() (net.Conn, error)
	// Dial opens a connection to the manager at address.
	Dial(ctx context.Context, address string) (net.Conn, error)
	// Address is where the other managers dial this one.
	Address() string
	// Close ends Accept. Connections are closed by who uses them.
	Close() error
}

// The limits of the network.
const (
	// networkPatience is how long a request or a dial may take. Heartbeats need
	// to notice a dead connection soon, and a follower answers once its disk has
	// written. A request that took too long is repeated.
	networkPatience = 2 * time.Second
	// entriesAtOnce is how many entries one request brings at most: full ones are
	// 1 MiB, which a slow link carries within networkPatience. Raft's own limit is
	// four times that, and who falls behind over such a link would stay behind.
	entriesAtOnce = 16
	// connectionsKept is how many idle connections to each manager are kept: one
	// each for heartbeats, entries and votes.
	connectionsKept = 3
)

// transportOver is raft's transport over a network.
func transportOver(n Network, logger hclog.Logger) Transport {
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  &stream{network: n, done: make(chan struct{}), open: make(map[net.Conn]struct{})},
		MaxPool: connectionsKept,
		Timeout: networkPatience,
		Logger:  logger.Named("network"),
	})
}

// stream is the network as raft wants it. It knows all open connections, because
// raft's transport leaves them open when it is closed.
type stream struct {
	network Network
	done    chan struct{} // closed with closed

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func (s *stream) Accept() (net.Conn, error) {
	conn, err := s.network.Accept()
	if errors.Is(err, net.ErrClosed) {
		<-s.done // raft, which is about to be closed too, would complain and try again
	}
	if err != nil {
		return nil, err
	}
	return s.track(conn)
}

func (s *stream) Dial(address raft.ServerAddress, patience time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		select {
		case <-s.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	conn, err := s.network.Dial(ctx, string(address))
	if err != nil {
		return nil, fmt.Errorf("dial manager at %s: %w", address, err)
	}
	return s.track(conn)
}

func (s *stream) track(conn net.Conn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	s.open[conn] = struct{}{}
	return tracked{conn, s}, nil
}

func (s *stream) forget(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
}

// Close closes the network and every connection.
func (s *stream) Close() error {
	s.mu.Lock()
	open, again := s.open, s.closed
	s.open, s.closed = make(map[net.Conn]struct{}), true
	s.mu.Unlock()
	if again {
		return nil
	}
	close(s.done)
	for conn := range open {
		_ = conn.Close() // nothing is expected of it any more
	}
	return s.network.Close()
}

func (s *stream) Addr() net.Addr { return address(s.network.Address()) }

type tracked struct {
	net.Conn
	stream *stream
}

func (t tracked) Close() error {
	t.stream.forget(t.Conn)
	return t.Conn.Close()
}

// address is a net.Addr as others know it.
type address string

func (address) Network() string  { return "raft" }
func (a address) String() string { return string(a) }
