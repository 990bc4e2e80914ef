package logs

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// reading is the part of a stream that comes from one node. It belongs to one
// goroutine.
type reading struct {
	*Joiner
	node    string
	req     wire.LogRequest
	names   map[string]string // of tasks, by ID
	deliver func(Batch) error

	told  bool            // that the node is away, and nothing came since
	marks map[string]mark // by task: how far its log was passed on
	skip  map[string]mark // the same when the node was asked last: it sends some of that again
}

// mark is a place in a log: after so many lines of that time.
type mark struct {
	at    time.Time
	lines int
}

// run passes on what the node has. A node that fails is told in the stream, and
// asked for the rest when it is back if somebody follows. An error is that of a
// manager that does not lead.
func (r *reading) run(ctx context.Context) error {
	for {
		err := r.Nodes.Logs(ctx, r.node, r.req, r.pass)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if wire.KindOf(err) == wire.NotLeader {
			return err
		}
		awaited := r.req.Follow && wire.KindOf(err) == wire.Unavailable
		if !r.told && r.deliver(Batch{Err: r.trouble(err, awaited)}) != nil || !awaited {
			return nil // a deliver that failed has ended the stream
		}
		r.told = true
		if err := r.Nodes.Await(ctx, r.node); err != nil {
			return r.givenUp(ctx, err)
		}
		r.resume()
	}
}

// givenUp tells why a node is not awaited any more.
func (r *reading) givenUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	if wire.KindOf(err) == wire.NotLeader {
		return err
	}
	_ = r.deliver(Batch{Err: r.trouble(err, false)}) // if it fails, it has ended the stream
	return nil
}

// pass passes on a batch of the node, but for what was passed on before.
func (r *reading) pass(in wire.LogBatch) error {
	out := Batch{Err: in.Err}
	host := r.hostname()
	for _, line := range in.Lines {
		if r.isOld(line) {
			continue
		}
		now := r.marks[line.TaskID]
		if !now.at.Equal(line.At) {
			now = mark{at: line.At}
		}
		now.lines++
		r.marks[line.TaskID] = now
		out.Lines = append(out.Lines, Line{LogLine: line, Task: r.names[line.TaskID], Node: host})
	}
	if len(out.Lines) == 0 && out.Err == "" {
		return nil
	}
	r.told = false
	return r.deliver(out)
}

// isOld reports whether the line was passed on before the node went away.
func (r *reading) isOld(line wire.LogLine) bool {
	before, any := r.skip[line.TaskID]
	if !any || line.At.After(before.at) {
		return false
	}
	if line.At.Before(before.at) {
		return true
	}
	before.lines--
	r.skip[line.TaskID] = before
	return before.lines >= 0
}

// resume asks for what comes after the marks. A request has one time for all of
// its tasks: what comes twice by that is skipped. A task of which nothing came
// holds the time back, unless its last lines only were wanted.
func (r *reading) resume() {
	r.skip = maps.Clone(r.marks)
	if r.req.Tail < 0 && len(r.marks) < len(r.req.Tasks) {
		return
	}
	first := true
	for _, m := range r.marks {
		if first || m.at.Before(r.req.Since) {
			r.req.Tail, r.req.Since, first = -1, m.at, false
		}
	}
}

// trouble is what happened, in words for the stream.
func (r *reading) trouble(err error, awaited bool) string {
	words := fmt.Sprintf("logs of %s on %s: %v", r.tasks(), r.hostname(), err)
	if awaited {
		words += "; they go on when it is back"
	}
	return words
}

// tasks names the tasks of the node.
func (r *reading) tasks() string {
	first := r.names[r.req.Tasks[0]]
	if len(r.req.Tasks) == 1 {
		return first
	}
	return fmt.Sprintf("%s and %d more", first, len(r.req.Tasks)-1)
}

func (r *reading) hostname() string {
	snap, _ := r.Watch()
	return snap.NodeName(r.node)
}
