package wire

import (
	"context"
	"net"

	"github.com/swarmgit/swarmgit/specs"
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
	return func(ctx context.Context) (net.Conn, error) { return p.dial(ctx, &shown{id: id}) }
}

// AsNode is As for a node that has a certificate: each connection shows who the
// node is and what its certificate is at that time, even if it has run out.
func (p *Pipe) AsNode(show func() (Identity, specs.NodeCertificate)) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		id, certificate := show()
		return p.dial(ctx, &shown{id, certificate})
	}
}

func (p *Pipe) dial(ctx context.Context, as *shown) (net.Conn, error) {
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
	as *shown // nil is nobody
}

// shown is what a node shows of itself.
type shown struct {
	id          Identity
	certificate specs.NodeCertificate
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
