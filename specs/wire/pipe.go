package wire

import (
	"context"
	"net"
	"sync"
)

// Pipe connects two parts of one process: what Dial opens, Accept gets. It is
// made of channels alone, so that it works inside a synctest bubble and needs
// no port.
type Pipe struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

// NewPipe returns an open pipe.
func NewPipe() *Pipe {
	p := &Pipe{accepted: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

// Dial opens a connection and waits until it is accepted.
func (p *Pipe) Dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.accepted <- far:
		return near, nil
	case <-p.closed:
		return nil, Errorf(Unavailable, "the manager of this process has stopped")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a connection. It fails with net.ErrClosed once the pipe is
// closed.
func (p *Pipe) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial; connections that are open stay open.
func (p *Pipe) Close() error {
	p.close()
	return nil
}

// Addr names the pipe as net.Listener demands.
func (p *Pipe) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
