// Package logs joins the log streams of nodes into the one stream that a person
// asked for. It holds no logs itself: the lines lie on the nodes that wrote
// them, and a node that cannot be asked is named in the stream rather than
// failing the rest of it. Who follows gets the rest of that node's lines, each
// once, when the node is back.
//
// It works on the manager that leads, where the nodes' sessions are; a stream
// ends as NotLeader with the leadership, and its reader asks the next leader.
package logs

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Nodes reaches the nodes.
type Nodes interface {
	// Logs asks one node for the logs of its tasks and yields what it sends, until
	// the logs end or ctx does. It is Unavailable when the node is not connected or
	// goes away, NotLeader when no node is, NotFound when it was removed.
	Logs(ctx context.Context, nodeID string, req wire.LogRequest, yield func(wire.LogBatch) error) error
	// Await returns once the node is connected. It fails when that cannot be.
	Await(ctx context.Context, nodeID string) error
}

// Joiner joins the streams of nodes.
type Joiner struct {
	Nodes Nodes
	Watch func() (store.Snapshot, <-chan struct{}) // the newest state, and when there is a newer one
}

// Request says which lines are wanted.
type Request struct {
	Follow bool
	Tail   int       // last lines of each task; negative is all
	Since  time.Time // zero is all
}

// Batch is a part of the joined stream.
type Batch struct {
	Lines []Line
	Err   string // a log that could not be read, in words
}

// Line is a line and who wrote it.
type Line struct {
	wire.LogLine
	Task string // shop_web.1
	Node string // hostname
}

// Join asks every node that has one of the tasks, all at once, and sends the
// batches in the order in which they arrive, until every node has no more. send
// is called by one goroutine at a time; its error ends the stream, and so does the
// end of this manager's leadership.
func (j *Joiner) Join(ctx context.Context, tasks []specs.Task, req Request, send func(Batch) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	names := make(map[string]string, len(tasks))
	byNode := make(map[string][]string)
	for _, t := range tasks {
		if t.Want.Node != "" {
			names[t.ID] = t.Name()
			byNode[t.Want.Node] = append(byNode[t.Want.Node], t.ID)
		}
	}
	send = oneAtATime(send)
	deliver := func(b Batch) error {
		err := send(b)
		if err != nil {
			cancel(err)
		}
		return err
	}
	var all sync.WaitGroup
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		r := &reading{Joiner: j, node: node, names: names, deliver: deliver, marks: map[string]mark{}, req: wire.LogRequest{
			Tasks: byNode[node], Follow: req.Follow, Tail: req.Tail, Since: req.Since,
		}}
		all.Go(func() {
			if err := r.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return nil
}

// Follow is Join of the tasks that pick finds, and goes on with those that it
// finds later, from their first line, until ctx ends or send fails. pick is asked
// again whenever the cluster changed.
func (j *Joiner) Follow(ctx context.Context, pick func(store.Snapshot) []specs.Task, req Request, send func(Batch) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	send = oneAtATime(send)
	known := make(map[string]struct{})
	var joins sync.WaitGroup
	defer joins.Wait()
	for {
		snap, changed := j.Watch()
		var fresh []specs.Task
		for _, task := range pick(snap) {
			if _, old := known[task.ID]; !old && task.Want.Node != "" {
				known[task.ID] = struct{}{}
				fresh = append(fresh, task)
			}
		}
		if len(fresh) > 0 {
			now := req
			joins.Go(func() {
				if err := j.Join(ctx, fresh, now, send); err != nil {
					cancel(err)
				}
			})
			req.Tail, req.Since = -1, time.Time{}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func oneAtATime(send func(Batch) error) func(Batch) error {
	var sending sync.Mutex
	return func(b Batch) error {
		sending.Lock()
		defer sending.Unlock()
		return send(b)
	}
}
