package reconciler

import (
	"context"
	"errors"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// loop converges the cluster: it waits for something to look at, looks once,
// proposes what the rules say, and waits again. It ends with ctx, or with an
// error that only a new term can mend.
func (m *Manager) loop(ctx context.Context) error {
	feed := m.store.Subscribe()
	defer feed.Close()
	before := store.New().Snapshot()
	placer := scheduler.New(before)
	agenda := make(converge.Agenda)
	for {
		alarm := m.alarm(agenda.Next())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-feed.Wait():
		case <-alarm:
		}
		after, touched := feed.Take()
		dirty := converge.Touches(before, after, touched)
		dirty.Add(agenda.Due(m.raft.Now()))
		placer = follow(placer, before, after, touched)
		before = after
		if dirty.Empty() {
			continue
		}
		result := converge.Pass(converge.Input{
			Snapshot: after, Scheduler: placer, Dirty: dirty, Now: m.raft.Now(), NewID: newID,
		})
		agenda.Note(result)
		for service, err := range result.Refused {
			m.log.ErrorContext(ctx, "a decision would be refused: this is a bug", "service", service, "err", err)
		}
		if err := m.decide(ctx, result.Transactions); err != nil {
			return err
		}
	}
}

// alarm fires at the time at, and never for the zero time.
func (m *Manager) alarm(at time.Time) <-chan time.Time {
	if at.IsZero() {
		return nil
	}
	return time.After(at.Sub(m.raft.Now()))
}

// follow brings the scheduler's picture from one snapshot to the next.
func follow(s *scheduler.State, before, after store.Snapshot, touched store.Touched) *scheduler.State {
	if touched.All {
		return scheduler.New(after)
	}
	for id := range touched.Nodes {
		s.Node(row(before.Node(id)), row(after.Node(id)))
	}
	for id := range touched.Tasks {
		was, is := row(before.Task(id)), row(after.Task(id))
		spec := taskSpec(before, was)
		if is != nil {
			spec = taskSpec(after, is)
		}
		s.Task(was, is, spec)
	}
	return s
}

func taskSpec(snap store.Snapshot, task *specs.Task) specs.TaskSpec {
	if task == nil {
		return specs.TaskSpec{}
	}
	spec, _ := snap.TaskSpec(task.Spec)
	return spec
}

// row is a pointer to a row that exists, else nil.
func row[T any](value T, ok bool) *T {
	if !ok {
		return nil
	}
	return &value
}

// decide proposes what a pass decided and waits for all of it. A conflict needs
// nothing more: whoever came first touched the row, so the next pass looks at
// it. A full disk is waited out, because what runs goes on.
func (m *Manager) decide(ctx context.Context, txs []specs.Transaction) error {
	if len(txs) == 0 {
		return nil
	}
	errs, err := m.raft.Propose(ctx, txs)
	if err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}
