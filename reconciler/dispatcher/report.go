package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// maxWaiting is how many tasks' reports wait for the entry before them;
	// a node that comes with more is asked to come again.
	maxWaiting = 10_000
	// maxEntry is how many reports are proposed at a time: about 200 kB.
	maxEntry = 1000
	// maxLooks is how often a report that was overtaken is looked at again.
	maxLooks = 3
)

// report takes what a node sees of its tasks, which is acknowledged once it is
// committed.
func (t *term) report(ctx context.Context, s *session, r wire.Report) error {
	news, err := s.news(t.Store.Snapshot(), r, t.Now())
	waiting := settled(err)
	if err == nil && len(news) > 0 {
		if waiting, err = t.inbox.put(news); err != nil {
			return err
		}
	}
	select {
	case s.reports <- waiting:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// news returns the reports that say something new about the node's own tasks. A
// task that the cluster has forgotten is no news; another node's is refused.
func (s *session) news(snapshot store.Snapshot, r wire.Report, now time.Time) ([]wire.TaskReport, error) {
	var news []wire.TaskReport
	for _, of := range r.Tasks {
		task, exists := snapshot.Task(of.TaskID)
		if exists && task.Want.Node != s.nodeID {
			return nil, wire.Errorf(wire.PermissionDenied, "task %s is not a task of node %s", of.TaskID, s.nodeID)
		}
		if exists && isNews(task.Seen, of.Seen) {
			news = append(news, wire.TaskReport{TaskID: of.TaskID, Seen: dated(of.Seen, r.Now, task.Created, now)})
		}
	}
	return news, nil
}

// dated tells the times of what a node sees by the cluster's clock, which is at now
// when the node's is at there: the rules compare them with their own. Whatever the
// node's clock was set to meanwhile, nothing was seen of a task before it was made,
// nor later than now. An agent of an older release does not say what time it is.
func dated(seen specs.TaskSeen, there, made, now time.Time) specs.TaskSeen {
	shift := now.Sub(cmp.Or(there, now))
	for _, at := range []*time.Time{&seen.Since, &seen.Running} {
		switch moved := at.Add(shift); {
		case at.IsZero():
		case moved.After(now):
			*at = now
		case moved.Before(made):
			*at = made
		default:
			*at = moved
		}
	}
	return seen
}

// isNews reports whether seen says more than what is known. A state never moves
// back, and an end is told once.
func isNews(known, seen specs.TaskSeen) bool {
	if seen.State != known.State {
		return seen.State > known.State
	}
	return !known.State.Final() && (seen.Message != known.Message || seen.Err != known.Err || seen.PID != known.PID)
}

// inbox holds the reports that wait to be committed together.
type inbox struct {
	wake chan struct{} // readable when next is not empty

	mu     sync.Mutex
	next   *batch
	closed bool
}

// batch is the latest state of each task in it.
type batch struct {
	latest map[string]specs.TaskSeen
	done   chan struct{} // closed once it is committed or given up
	err    error         // set before done is closed
}

func newBatch() *batch {
	return &batch{latest: map[string]specs.TaskSeen{}, done: make(chan struct{})}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1), next: newBatch()} }

// settled is a batch that need not be committed.
func settled(err error) *batch {
	b := &batch{done: make(chan struct{}), err: err}
	close(b.done)
	return b
}

// reply is what a node hears of a report in a batch that is done. An error ends its
// session: it reports again in the next.
func (b *batch) reply() (*wire.Reported, error) {
	switch {
	case b.err == nil:
		return &wire.Reported{}, nil
	case wire.KindOf(b.err) == wire.PermissionDenied:
		return &wire.Reported{Refused: b.err.Error()}, nil
	}
	return nil, b.err
}

// put has the reports committed with the next batch, which it returns.
func (b *inbox) put(reports []wire.TaskReport) (*batch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, errTermEnded
	case len(b.next.latest) >= maxWaiting:
		return nil, wire.Errorf(wire.Unavailable, "%d reports wait to be written: report again later", len(b.next.latest))
	}
	for _, r := range reports {
		if known, there := b.next.latest[r.TaskID]; !there || isNews(known, r.Seen) {
			b.next.latest[r.TaskID] = r.Seen
		}
	}
	signal(b.wake)
	return b.next, nil
}

func (b *inbox) take() *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.next
	b.next = newBatch()
	return taken
}

// close gives up what is not committed and refuses what still comes.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.next.err = errTermEnded
	close(b.next.done)
	b.next = newBatch()
}

// commitReports writes batch after batch; while one is on its way the next one
// gathers.
func (t *term) commitReports(ctx context.Context) error {
	for {
		select {
		case <-t.inbox.wake:
			b := t.inbox.take()
			b.err = t.commit(ctx, b.latest)
			close(b.done)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// commit writes the states that are still news. A report that was overtaken is
// looked at again: its task may have been forgotten, or orphaned.
func (t *term) commit(ctx context.Context, latest map[string]specs.TaskSeen) error {
	ids := slices.Sorted(maps.Keys(latest))
	for looks := 0; len(ids) > 0; looks++ {
		if looks == maxLooks {
			return wire.Errorf(wire.Unavailable, "the reports of %d tasks were overtaken: report again", len(ids))
		}
		var overtaken []string
		for part := range slices.Chunk(ids, maxEntry) {
			again, err := t.propose(ctx, part, latest)
			if err != nil {
				return wire.Errorf(wire.Unavailable, "write the state of %d tasks: %w", len(part), err)
			}
			overtaken = append(overtaken, again...)
		}
		ids = overtaken
	}
	return nil
}

// propose writes one entry and returns the tasks whose report was overtaken.
func (t *term) propose(ctx context.Context, ids []string, latest map[string]specs.TaskSeen) (overtaken []string, err error) {
	snapshot := t.Store.Snapshot()
	var txs []specs.Transaction
	var proposed []string
	for _, id := range ids {
		if task, exists := snapshot.Task(id); exists && isNews(task.Seen, latest[id]) {
			txs = append(txs, taskSeen(task, latest[id]))
			proposed = append(proposed, id)
		}
	}
	if len(txs) == 0 {
		return nil, nil
	}
	errs, err := t.Propose.Propose(ctx, txs)
	if err != nil {
		return nil, err
	}
	for i, err := range errs {
		switch {
		case errors.Is(err, store.ErrConflict):
			overtaken = append(overtaken, proposed[i])
		case err != nil:
			return nil, fmt.Errorf("task %s: %w", proposed[i], err)
		}
	}
	return overtaken, nil
}

// taskSeen writes what is seen. A state that was entered before keeps its time:
// a node that has forgotten it tells another one.
func taskSeen(task specs.Task, seen specs.TaskSeen) specs.Transaction {
	if seen.State == task.Seen.State {
		seen.Since, seen.Running = task.Seen.Since, task.Seen.Running
	}
	return specs.Transaction{{TaskSeen: specs.Set(task.ID, task.SeenVersion, seen)}}
}
