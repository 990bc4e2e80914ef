// Package logs joins the log streams of nodes into the one stream that a person
// asked for. It holds no logs itself: the lines lie on the nodes that wrote
// them, and a node that cannot be asked is named in the stream rather than
// failing the rest of it.
package logs

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Nodes asks one node for the logs of its tasks and yields what it sends, until
// the logs end or ctx does.
type Nodes interface {
	Logs(ctx context.Context, nodeID string, req wire.LogRequest, yield func(wire.LogBatch) error) error
}

// Joiner joins the streams of nodes.
type Joiner struct {
	Nodes    Nodes
	Snapshot func() store.Snapshot
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
// batches in the order in which they arrive. send is called by one goroutine at a
// time; its error ends the stream.
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
	var sending sync.Mutex
	deliver := func(b Batch) error {
		sending.Lock()
		defer sending.Unlock()
		if err := send(b); err != nil {
			cancel(err)
			return err
		}
		return nil
	}
	var all sync.WaitGroup
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		all.Go(func() {
			j.read(ctx, node, wire.LogRequest{
				ID: rand.Text(), Tasks: byNode[node], Follow: req.Follow, Tail: req.Tail, Since: req.Since,
			}, names, deliver)
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return nil
}

// read sends what one node has. A node that fails is told in the stream.
func (j *Joiner) read(ctx context.Context, node string, req wire.LogRequest, names map[string]string, deliver func(Batch) error) {
	host := j.hostname(node)
	err := j.Nodes.Logs(ctx, node, req, func(in wire.LogBatch) error {
		out := Batch{Err: in.Err, Lines: make([]Line, len(in.Lines))}
		for i, line := range in.Lines {
			out.Lines[i] = Line{LogLine: line, Task: names[line.TaskID], Node: host}
		}
		return deliver(out)
	})
	if err != nil && ctx.Err() == nil {
		// If telling fails too, ctx has ended and Join returns why.
		_ = deliver(Batch{Err: fmt.Sprintf("logs of %s on %s: %v", tasksOf(req, names), host, err)})
	}
}

func tasksOf(req wire.LogRequest, names map[string]string) string {
	first := names[req.Tasks[0]]
	if len(req.Tasks) == 1 {
		return first
	}
	return fmt.Sprintf("%s and %d more", first, len(req.Tasks)-1)
}

func (j *Joiner) hostname(node string) string {
	row, _ := j.Snapshot().Node(node)
	return cmp.Or(row.Seen.Description.Hostname, node)
}
