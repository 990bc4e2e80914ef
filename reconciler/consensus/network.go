package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
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
	// Dial opens a connection to the manager of that ID at address. It fails if
	// another one is there by now: what that has is not what the other had.
	Dial(ctx context.Context, id, address string) (net.Conn, error)
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
	return named{raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  &stream{network: n, done: make(chan struct{}), open: make(map[net.Conn]struct{})},
		MaxPool: connectionsKept,
		Timeout: networkPatience,
		Logger:  logger.Named("network"),
	})}
}

// named is raft's transport with addresses that say who is meant, "ID@HOST:PORT":
// raft would dial an address and take whoever answers for the one it has in mind.
type named struct{ *raft.NetworkTransport }

func nameOf(id raft.ServerID, at raft.ServerAddress) raft.ServerAddress {
	return raft.ServerAddress(id) + "@" + at
}

func (n named) AppendEntries(id raft.ServerID, to raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return n.NetworkTransport.AppendEntries(id, nameOf(id, to), req, resp)
}

func (n named) AppendEntriesPipeline(id raft.ServerID, to raft.ServerAddress) (raft.AppendPipeline, error) {
	return n.NetworkTransport.AppendEntriesPipeline(id, nameOf(id, to))
}

func (n named) RequestVote(id raft.ServerID, to raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return n.NetworkTransport.RequestVote(id, nameOf(id, to), req, resp)
}

func (n named) RequestPreVote(id raft.ServerID, to raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return n.NetworkTransport.RequestPreVote(id, nameOf(id, to), req, resp)
}

func (n named) InstallSnapshot(id raft.ServerID, to raft.ServerAddress, req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return n.NetworkTransport.InstallSnapshot(id, nameOf(id, to), req, resp, data)
}

func (n named) TimeoutNow(id raft.ServerID, to raft.ServerAddress, req *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return n.NetworkTransport.TimeoutNow(id, nameOf(id, to), req, resp)
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

// Dial implements raft.StreamLayer, for the addresses of named.
func (s *stream) Dial(to raft.ServerAddress, patience time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		select {
		case <-s.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	id, address, _ := strings.Cut(string(to), "@")
	conn, err := s.network.Dial(ctx, id, address)
	if err != nil {
		return nil, fmt.Errorf("dial manager %s at %s: %w", id, address, err)
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
