package wire

import (
	"context"
	"net"
)

// Pipe connects two parts of one process: what Dial opens, Accept gets. It is
// made of channels alone, so that it works inside a synctest bubble and needs
// no port.
type Pipe struct{ *Queue }

// NewPipe returns an open pipe.
func NewPipe() *Pipe { return &Pipe{NewQueue(pipeAddr{})} }

// Dial opens a connection and waits until it is accepted.
func (p *Pipe) Dial(ctx context.Context) (net.Conn, error) { return p.dial(ctx, nil) }

// As returns a Dial whose calls are taken for those of a node, as by its
// certificate.
func (p *Pipe) As(id Identity) Dial {
	return func(ctx context.Context) (net.Conn, error) { return p.dial(ctx, &id) }
}

func (p *Pipe) dial(ctx context.Context, as *Identity) (net.Conn, error) {
	near, far := net.Pipe()
	if p.Put(ctx, piped{far, as}) {
		return near, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, Errorf(Unavailable, "the manager of this process has stopped")
}

// piped is a connection whose other side is known without a certificate.
type piped struct {
	net.Conn
	as *Identity // nil is nobody
}

// connContext is the context of the calls of a connection.
func connContext(ctx context.Context, conn net.Conn) context.Context {
	if p, ok := conn.(piped); ok && p.as != nil {
		return WithPeer(ctx, *p.as)
	}
	return ctx
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
