package main

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// simNetwork joins the machines of a simulated cluster. It has no latency. What
// is sent over a link that is cut is on its way until the link is healed, as TCP
// sends it again; a process that dies has its connections reset, and nobody
// connects to it any more.
type simNetwork struct {
	mu      sync.Mutex
	changed chan struct{}      // closed when something below changes
	cut     map[simLink]bool   // these carry nothing
	dead    map[string]bool    // machines without a daemon
	ports   map[string]simPort // of the managers
	open    map[*simConn]bool
}

// simLink is one direction between two machines.
type simLink struct{ from, to string }

func (l simLink) back() simLink { return simLink{l.to, l.from} }

// simPort is what a manager serves, by protocol.
type simPort map[wire.Protocol]*wire.Pipe

// simConn is a connection between the ends of two pipes, which the network
// joins.
type simConn struct {
	link     simLink // from who dialled
	from, to net.Conn
}

func newSimNetwork() *simNetwork {
	return &simNetwork{
		changed: make(chan struct{}), cut: make(map[simLink]bool), dead: make(map[string]bool),
		ports: make(map[string]simPort), open: make(map[*simConn]bool),
	}
}

// set changes the network under its lock.
func (n *simNetwork) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
	close(n.changed)
	n.changed = make(chan struct{})
}

// cutLinks makes these carry nothing.
func (n *simNetwork) cutLinks(links ...simLink) {
	n.set(func() {
		for _, l := range links {
			n.cut[l] = true
		}
	})
}

// heal makes every link carry again.
func (n *simNetwork) heal() { n.set(func() { clear(n.cut) }) }

// listen begins to serve a manager.
func (n *simNetwork) listen(at string) simPort {
	port := simPort{wire.Calls: wire.NewPipe(), wire.Sessions: wire.NewPipe(), wire.Raft: wire.NewPipe()}
	n.set(func() { n.ports[at] = port })
	return port
}

// die is what the others see of a daemon that is killed.
func (n *simNetwork) die(at string) {
	n.set(func() {
		n.dead[at] = true
		delete(n.ports, at)
		for c := range n.open {
			if c.link.from == at || c.link.to == at {
				c.reset()
			}
		}
	})
}

func (n *simNetwork) revive(at string) { n.set(func() { delete(n.dead, at) }) }

func (c *simConn) reset() {
	_, _ = c.from.Close(), c.to.Close() // a pipe always can be closed
}

// await waits until the link carries.
func (n *simNetwork) await(ctx context.Context, l simLink) error {
	for {
		n.mu.Lock()
		cut, changed := n.cut[l], n.changed
		n.mu.Unlock()
		if !cut {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errSimRefused = errors.New("connection refused")

// dial opens a connection to what the other machine serves.
func (n *simNetwork) dial(ctx context.Context, l simLink, serves func(simPort) wire.Dial) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, simDialPatience)
	defer cancel()
	if err := errors.Join(n.await(ctx, l), n.await(ctx, l.back())); err != nil {
		return nil, err
	}
	n.mu.Lock()
	port, dead := n.ports[l.to], n.dead[l.from] || n.dead[l.to]
	n.mu.Unlock()
	if port == nil || dead {
		return nil, errSimRefused
	}
	far, err := serves(port)(ctx)
	if err != nil {
		return nil, err
	}
	here, near := net.Pipe()
	c := &simConn{l, near, far}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open[c] = true
	var both sync.WaitGroup
	both.Go(func() { n.carry(far, near, l) })
	both.Go(func() { n.carry(near, far, l.back()) })
	go func() {
		both.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.open, c)
	}()
	if n.dead[l.from] || n.dead[l.to] {
		c.reset()
	}
	return here, nil
}

const (
	// simChunk is what a link carries at once, in bytes.
	simChunk = 4 << 10
	// simAgain is how often what is held up by a cut link is sent again.
	simAgain = 100 * time.Millisecond
	// simDialPatience is how long a caller waits for a connection, as between real
	// nodes.
	simDialPatience = 5 * time.Second
)

// carry passes on what comes in by from, and in the end its end. It never makes
// the sender wait for a link: a write that waits is often one under a mutex, and
// time does not pass in a bubble while somebody else wants that.
func (n *simNetwork) carry(to, from net.Conn, l simLink) {
	defer to.Close()
	buffer, held := make([]byte, simChunk), []byte(nil)
	for {
		size, err := from.Read(buffer)
		held = append(held, buffer[:size]...)
		switch again := errors.Is(err, os.ErrDeadlineExceeded); {
		case err != nil && !again:
			_ = n.await(context.Background(), l) // without an end it does not fail
			_, _ = to.Write(held)                // the last words; nobody hears whether they arrive
			return
		case n.carries(l):
			if _, err := to.Write(held); err != nil {
				return
			}
			if held = held[:0]; again {
				_ = from.SetReadDeadline(time.Time{}) // a pipe takes every deadline
			}
		default:
			_ = from.SetReadDeadline(time.Now().Add(simAgain))
		}
	}
}

func (n *simNetwork) carries(l simLink) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.cut[l]
}

// simRaft is the network of Raft as one manager has it.
type simRaft struct {
	*wire.Pipe
	network *simNetwork
	at      string
}

var _ consensus.Network = simRaft{}

func (r simRaft) Address() string { return r.at }

func (r simRaft) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	return r.network.dial(ctx, simLink{r.at, addr}, func(p simPort) wire.Dial { return p[wire.Raft].Dial })
}

// call opens a connection in the name of a node.
func (n *simNetwork) call(ctx context.Context, as wire.Identity, addr string, protocol wire.Protocol) (net.Conn, error) {
	return n.dial(ctx, simLink{as.NodeID, addr}, func(p simPort) wire.Dial { return p[protocol].As(as) })
}
