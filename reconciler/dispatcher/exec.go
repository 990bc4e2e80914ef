package dispatcher

import (
	"context"
	"crypto/rand"
	"math"
	"sync/atomic"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// execPatience is how long a node may take to begin with a command.
const execPatience = 30 * time.Second

// execEnds are the ends of a node's call that carries one command.
type execEnds = wire.Ends[wire.ExecInput, wire.ExecOutput]

// nodeCall is a node's call, in which it takes so much input at first.
type nodeCall struct {
	execEnds
	room int
}

// pending is a command that waits for its node.
type pending struct {
	nodeID  string
	called  chan nodeCall
	refused chan string   // why the node cannot call; holds one
	over    chan struct{} // closed once nobody waits for the command any more
}

// Exec has a node run a command in one of its tasks: in yields what comes to it,
// out gets what comes from it, until the last output, an error of out, or the end
// of ctx, which ends the command too. It is NotFound when the node is not part of
// the cluster, and Unavailable when it is not connected, or goes away in between. A
// call of in that is under way then is not waited for. The request's ID is made here.
func (d *Dispatcher) Exec(ctx context.Context, nodeID string, req wire.ExecRequest, in func() (wire.ExecInput, error), out func(wire.ExecOutput) error) error {
	t, err := d.current()
	if err != nil {
		return err
	}
	s, err := t.of(nodeID)
	if err != nil {
		return err
	}
	req.ID = specs.NewID(rand.Reader)
	p := &pending{nodeID: nodeID, called: make(chan nodeCall), refused: make(chan string, 1), over: make(chan struct{})}
	t.await(req.ID, p)
	defer t.forgetCommand(req.ID, p)
	s.asked.put(wire.ManagerMessage{Command: &req})
	patience := time.NewTimer(execPatience)
	defer patience.Stop()
	select {
	case call := <-p.called:
		return carry(ctx, s, call, in, out)
	case why := <-p.refused:
		return wire.Errorf(wire.Unavailable, "%s", why)
	case <-patience.C:
		return wire.Errorf(wire.Unavailable, "it does not take commands")
	case <-s.gone:
		return s.why
	case <-ctx.Done():
		return ctx.Err()
	}
}

// carry passes on what both sides send. Input that the node has no room for is
// held back here: the node must always hear when who asked is gone.
func carry(ctx context.Context, s *session, node nodeCall, in func() (wire.ExecInput, error), out func(wire.ExecOutput) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	room := newRoom(node.room)
	go func() { // until who asked, or the node, sends or takes no more
		for {
			input, err := in()
			if err != nil {
				cancel(err)
				return
			}
			if !room.take(ctx, len(input.Stdin)) || node.Send(input) != nil {
				return // what comes from the node says why
			}
		}
	}()
	ended := make(chan error, 1)
	go func() {
		for {
			output, err := node.Receive()
			if err != nil {
				ended <- wire.Errorf(wire.Unavailable, "the node broke off in the middle of the command")
				return
			}
			if output.Room > 0 {
				room.give(output.Room)
				continue
			}
			if err := out(output); err != nil || output.Last() {
				ended <- err
				return
			}
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-s.gone:
		return s.why
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// room is how much input a node takes, in bytes. One goroutine takes of it.
type room struct {
	left atomic.Int64
	more chan struct{} // readable when there is more
}

func newRoom(bytes int) *room {
	r := &room{more: make(chan struct{}, 1)}
	if r.left.Store(int64(bytes)); bytes == 0 {
		r.left.Store(math.MaxInt64)
	}
	return r
}

// take waits until there is any room and takes it for n bytes, which may be more;
// it is false when ctx ended first.
func (r *room) take(ctx context.Context, n int) bool {
	for n > 0 && r.left.Load() <= 0 {
		select {
		case <-r.more:
		case <-ctx.Done():
			return false
		}
	}
	r.left.Add(int64(-n))
	return true
}

func (r *room) give(n int) {
	r.left.Add(int64(n))
	signal(r.more)
}

func (t *term) await(requestID string, p *pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending[requestID] = p
}

func (t *term) forgetCommand(requestID string, p *pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, requestID)
	close(p.over)
}

// exec takes a node's call for one command and keeps it open for as long as
// somebody waits for the command.
func (d *Dispatcher) exec(ctx context.Context, ends execEnds) error {
	first, err := ends.Receive()
	if err != nil {
		return err
	}
	t, s, err := d.opened(ctx, first.SessionID)
	if err != nil {
		return err
	}
	t.mu.Lock()
	p, ok := t.pending[first.RequestID]
	t.mu.Unlock()
	if !ok || p.nodeID != s.nodeID {
		return wire.Errorf(wire.NotFound, "nobody waits for the command of request %s", first.RequestID)
	}
	select {
	case p.called <- nodeCall{ends, first.Room}:
	case <-p.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-p.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
