package agent

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// answerLogs sends the logs that people ask for through the manager, each request
// in a stream of its own, until it is cancelled.
func (s *session) answerLogs(ctx context.Context, flows *errgroup.Group, req wire.LogRequest) {
	if req.Cancel {
		if cancel, ok := s.reading[req.ID]; ok {
			cancel()
			delete(s.reading, req.ID)
		}
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	s.reading[req.ID] = cancel
	flows.Go(func() error {
		defer cancel()
		s.publish(ctx, req)
		return nil
	})
}

// publish answers one request over a connection of its own: a person who does
// not read on fills the connection, and heartbeats must not wait behind that.
func (s *session) publish(ctx context.Context, req wire.LogRequest) {
	began := false
	conn, err := s.Dial(ctx, s.addr, wire.Calls)
	if err == nil {
		defer conn.Close()
		client := wire.ClientOver(conn)
		defer client.Close()
		_, err = wire.PublishLogs.Call(ctx, client, func(send func(wire.LogBatch) error) error {
			if err := send(wire.LogBatch{RequestID: req.ID, SessionID: s.SessionID}); err != nil {
				return err
			}
			began = true
			return s.readLogs(ctx, req, send)
		})
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	s.Log.DebugContext(ctx, "a log stream ended early", "request", req.ID, "error", err)
	if !began { // who asked would wait for ever
		s.excuse(req.ID, fmt.Errorf("logs of node %s: no connection for them: %w", s.NodeID, err))
	}
}

// excuse tells the manager why a request gets no call. If that fails too, the session
// is about to end.
func (s *session) excuse(requestID string, why error) {
	_ = s.link.Send(wire.NodeMessage{Unable: &wire.Unable{RequestID: requestID, Why: why.Error()}})
}

// readLogs sends the logs of all tasks of a request as they come, mixed.
func (s *session) readLogs(ctx context.Context, req wire.LogRequest, send func(wire.LogBatch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var readers sync.WaitGroup
	batches := make(chan wire.LogBatch)
	for _, id := range req.Tasks {
		readers.Go(func() { s.readLog(ctx, id, req, batches) })
	}
	go func() {
		readers.Wait()
		close(batches)
	}()
	var err error
	for b := range batches { // to the end: then every reader has gone
		if err == nil {
			err = send(b)
		}
		if err != nil {
			cancel()
		}
	}
	return err
}

// readLog reads one task's log into batches until its end or the end of ctx.
func (s *session) readLog(ctx context.Context, id string, req wire.LogRequest, batches chan<- wire.LogBatch) {
	give := func(b wire.LogBatch) error {
		select {
		case batches <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.Logs == nil {
		_ = give(wire.LogBatch{Err: fmt.Sprintf("logs of task %s: node %s keeps none", id, s.NodeID)})
		return
	}
	opts := LogOptions{Follow: req.Follow, Tail: req.Tail, Since: req.Since}
	err := s.Logs.Read(ctx, id, opts, func(lines []wire.LogLine) error {
		return give(wire.LogBatch{Lines: lines})
	})
	if err != nil && ctx.Err() == nil {
		_ = give(wire.LogBatch{Err: fmt.Sprintf("logs of task %s: %v", id, err)})
	}
}
