package dispatcher

import (
	"context"
	"crypto/rand"
	"iter"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// logPatience is how long a node may take to send more of logs that nobody
// follows. It reads them from its disk.
const logPatience = 30 * time.Second

// Logs asks a node for logs and hands them to yield as they come, until the
// node has no more, yield fails or ctx ends. It is NotFound when the node is not part
// of the cluster, and Unavailable when it is not connected, goes away in between, or
// leaves one waiting who does not follow. The request's ID is made here.
func (d *Dispatcher) Logs(ctx context.Context, nodeID string, req wire.LogRequest, yield func(wire.LogBatch) error) error {
	t, err := d.current()
	if err != nil {
		return err
	}
	s, err := t.of(nodeID)
	if err != nil {
		return err
	}
	req.ID = specs.NewID(rand.Reader)
	sink := t.listen(req.ID, nodeID)
	defer t.stopListening(req.ID, sink)
	s.asked.put(wire.ManagerMessage{Logs: &req})
	defer s.asked.put(wire.ManagerMessage{Logs: &wire.LogRequest{ID: req.ID, Cancel: true}})
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	for {
		select {
		case batch := <-sink.batches:
			if err := yield(batch); err != nil {
				return err
			}
			patience.Reset(logPatience)
		case <-patience.C:
			if !req.Follow {
				return wire.Errorf(wire.Unavailable, "it is connected and has sent nothing for %s: see its daemon's log", logPatience)
			}
		case why := <-sink.refused:
			return yield(wire.LogBatch{Err: why})
		case err := <-sink.ended:
			return err
		case <-s.gone:
			return s.why
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Await returns once the node has a session. It is NotFound when the node is not
// part of the cluster, and NotLeader when this manager's term ends before.
func (d *Dispatcher) Await(ctx context.Context, nodeID string) error {
	t, err := d.current()
	if err != nil {
		return err
	}
	for {
		here, arrival, err := t.lookFor(nodeID)
		if here || err != nil {
			return err
		}
		select {
		case <-arrival:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lookFor reports whether the node has a session, or when to look again.
func (t *term) lookFor(nodeID string) (here bool, arrival <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.Store.Snapshot().Node(nodeID)
	switch {
	case t.over:
		return false, nil, errTermEnded
	case !known:
		return false, nil, wire.Errorf(wire.NotFound, "node %s was removed from the cluster", nodeID)
	}
	_, here = t.sessions[nodeID]
	return here, t.arrival.Next(), nil
}

// sink is where the lines for one request go.
type sink struct {
	nodeID  string
	batches chan wire.LogBatch
	ended   chan error    // the node has no more; holds one
	refused chan string   // why the node cannot send any; holds one
	closed  chan struct{} // closed once nobody listens any more
}

func (t *term) listen(requestID, nodeID string) *sink {
	s := &sink{
		nodeID: nodeID, batches: make(chan wire.LogBatch),
		ended: make(chan error, 1), refused: make(chan string, 1), closed: make(chan struct{}),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sinks[requestID] = s
	return s
}

func (t *term) stopListening(requestID string, s *sink) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sinks, requestID)
	close(s.closed)
}

// publishLogs takes the lines for one request.
func (d *Dispatcher) publishLogs(ctx context.Context, batches iter.Seq2[wire.LogBatch, error]) (wire.PublishLogsReply, error) {
	var to *sink
	for batch, err := range batches {
		if err == nil && to == nil {
			to, err = d.sinkOf(ctx, batch)
		}
		if err == nil {
			err = to.give(ctx, batch)
		}
		if err != nil {
			to.end(wire.Errorf(wire.Unavailable, "the node broke off in the middle"))
			return wire.PublishLogsReply{}, err
		}
	}
	to.end(nil)
	return wire.PublishLogsReply{}, nil
}

// sinkOf finds who waits for the stream that begins with this batch.
func (d *Dispatcher) sinkOf(ctx context.Context, first wire.LogBatch) (*sink, error) {
	t, s, err := d.opened(ctx, first.SessionID)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	to, ok := t.sinks[first.RequestID]
	if !ok || to.nodeID != s.nodeID {
		return nil, wire.Errorf(wire.NotFound, "nobody waits for the logs of request %s", first.RequestID)
	}
	return to, nil
}

func (s *sink) give(ctx context.Context, batch wire.LogBatch) error {
	if len(batch.Lines) == 0 && batch.Err == "" {
		return nil
	}
	select {
	case s.batches <- batch:
		return nil
	case <-s.closed:
		return wire.Errorf(wire.NotFound, "nobody waits for these logs any more")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end says that no more lines come. Only the first end counts: a node may come
// twice for one request.
func (s *sink) end(err error) {
	if s == nil {
		return
	}
	select {
	case s.ended <- err:
	default:
	}
}
