package dispatcher

import (
	"context"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// batchPause is the least time between two messages to a node. The first change
// after it goes out at once, those that come sooner go together. While changes
// keep coming it grows up to longestBatch: a message costs more than what it
// says of one task.
const (
	batchPause   = 10 * time.Millisecond
	longestBatch = 160 * time.Millisecond
)

// crowd is how many nodes are told of changes at once, and crowdPause the time
// until the next are. A thousand streams that wake together keep Raft's heartbeats
// waiting for the processor until the leader has lost its office. And a pass
// writes a task here and a task there: meanwhile most nodes get another.
const (
	crowd      = 20
	crowdPause = 10 * time.Millisecond
)

// stream collects which tasks of a node may have changed. It holds each task
// once however slow the node is.
type stream struct {
	wake chan struct{} // readable when something may be there

	mu      sync.Mutex
	touched map[string]struct{}
	all     bool
}

func newStream() *stream {
	return &stream{wake: make(chan struct{}, 1), touched: map[string]struct{}{}}
}

func (s *stream) touch(taskIDs ...string) {
	s.mu.Lock()
	for _, id := range taskIDs {
		s.touched[id] = struct{}{}
	}
	s.mu.Unlock()
	signal(s.wake)
}

func (s *stream) touchAll() {
	s.mu.Lock()
	s.all = true
	s.mu.Unlock()
	signal(s.wake)
}

func (s *stream) take() (touched map[string]struct{}, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	touched, all = s.touched, s.all
	s.touched, s.all = map[string]struct{}{}, false
	return touched, all
}

func (s *stream) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.touched) == 0 && !s.all
}

// assigner says what a node has to be told of its tasks. It belongs to the
// goroutine of the session.
type assigner struct {
	*stream
	*known
	pause time.Duration
	rest  <-chan time.Time // readable when the pause is over; nil when there is none
}

func newAssigner(s *session) *assigner {
	return &assigner{stream: s.stream, known: newKnown(s.nodeID), pause: batchPause}
}

// ready is readable when something may have changed and no pause is kept.
func (a *assigner) ready() <-chan struct{} {
	if a.rest != nil {
		return nil
	}
	return a.wake
}

// news is what changed, nil if that does not matter to the node; a pause follows
// what does.
func (a *assigner) news(s store.Snapshot) *wire.Assignments {
	touched, all := a.take()
	message := a.changes(s, touched)
	if all {
		message = a.everything(s, false)
	}
	if len(message.Set)+len(message.Remove) == 0 {
		return nil
	}
	a.rest = time.After(a.pause)
	return &message
}

// rested ends the pause.
func (a *assigner) rested() {
	a.rest = nil
	if a.pause = min(4*a.pause, longestBatch); a.quiet() {
		a.pause = batchPause
	}
}

// route tells the nodes' streams which of their tasks changed in a way that
// matters to the node.
func (t *term) route(ctx context.Context) error {
	feed := t.Store.Subscribe()
	defer feed.Close()
	var before store.Snapshot
	for first := true; ; first = false {
		select {
		case <-feed.Wait():
		case <-ctx.Done():
			return ctx.Err()
		}
		now, touched := feed.Take()
		if touched.All || first {
			t.touchEveryone()
		} else {
			t.lookAtNodes(before, now, touched)
			t.touch(ctx, news(before, now, touched))
		}
		before = now
	}
}

// news returns the tasks that changed in a way that matters to their nodes, by
// node.
func news(before, now store.Snapshot, touched store.Touched) map[string][]string {
	tasks := map[string][]string{}
	for id := range touched.Tasks {
		was, existed := before.Task(id)
		is, exists := now.Task(id)
		if existed && exists && was.Want.Node == is.Want.Node && was.Want.Desired == is.Want.Desired {
			continue
		}
		node := is.Want.Node
		if !exists {
			node = was.Want.Node
		}
		tasks[node] = append(tasks[node], id)
	}
	return tasks
}

// touch tells the nodes' streams of their tasks, a crowd at a time.
func (t *term) touch(ctx context.Context, tasks map[string][]string) {
	told := 0
	for node, ids := range tasks {
		s, err := t.of(node)
		if err != nil {
			continue // it gets everything when it comes
		}
		s.stream.touch(ids...)
		if told++; told%crowd == 0 {
			_ = bell.Sleep(ctx, crowdPause)
		}
	}
}

// lookAtNodes ends the sessions of nodes that were removed from the cluster, or
// written down while they came back, and tells those whose row the operator
// changed.
func (t *term) lookAtNodes(before, now store.Snapshot, touched store.Touched) {
	for id := range touched.Nodes {
		was, _ := before.Node(id)
		is, exists := now.Node(id)
		t.mu.Lock()
		t.expect(is, time.Now())
		s := t.sessions[id]
		switch {
		case !exists:
			delete(t.presence, id)
			signal(t.nodeGone)
			t.arrival.Ring()
			if s != nil {
				t.drop(s, wire.Errorf(wire.NotFound, "node %s was removed from the cluster", id))
			}
		case s != nil && is.Seen.Status == specs.NodeDown:
			// Its opening may have found it ready still, and written nothing.
			t.drop(s, wire.Errorf(wire.Unavailable, "node %s was written down as it came back: open a new session", id))
		case s != nil && was.SpecVersion != is.SpecVersion:
			signal(s.look)
		}
		t.mu.Unlock()
	}
}

func (t *term) touchEveryone() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		s.stream.touchAll()
		signal(s.look)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
