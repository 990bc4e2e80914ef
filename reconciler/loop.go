package reconciler

import (
	"context"
	"errors"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
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
	var dirty converge.Dirty // kept until it has been looked at and written
	var rest time.Duration
	began := m.raft.Now()
	for {
		if rest > 0 && bell.Sleep(ctx, rest) != nil {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-feed.Wait():
		case <-m.alarm(agenda.Next()):
		}
		woken := time.Now()
		after, touched := feed.Take()
		dirty.Add(converge.Touches(before, after, touched))
		dirty.Add(agenda.Due(m.raft.Now()))
		placer = follow(placer, before, after, touched)
		before, rest = after, 0
		if dirty.Empty() {
			continue
		}
		result := converge.Pass(converge.Input{
			Snapshot: after, Scheduler: placer, Dirty: dirty, Now: m.raft.Now(), NewID: newID,
			Began: began, Heard: m.dispatcher.Heard,
		})
		took := time.Since(woken)
		m.metrics.Pass(took)
		rest = restAfter(took)
		for service, err := range result.Refused {
			m.log.ErrorContext(ctx, "a decision would be refused: this is a bug", "service", service, "err", err)
		}
		if err := m.decide(ctx, after, result.Transactions); err != nil {
			return err
		}
		agenda.Note(result)
		dirty = converge.Dirty{}
	}
}

// longestRest is how long the loop lets more come at most.
const longestRest = 500 * time.Millisecond

// restAfter is how long the loop rests after it has thought for a time, so that it
// uses a fifth of a processor at most: a pass over thousands of tasks would else
// follow on each report of one of them. After a short one it goes on at once.
func restAfter(thought time.Duration) time.Duration {
	if thought < time.Millisecond {
		return 0
	}
	return min(4*thought, longestRest)
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

// decide proposes what a pass over snap decided and waits for all of it. A conflict needs
// nothing more: whoever came first touched the row, so the next pass looks at
// it. What is refused for another reason would be again, and stops nothing else. A
// full disk is waited out here: what runs goes on, and nothing that was decided is
// worth more than that.
func (m *Manager) decide(ctx context.Context, snap store.Snapshot, txs []specs.Transaction) error {
	for len(txs) > 0 {
		errs, err := m.raft.Propose(ctx, txs)
		switch {
		case errors.Is(err, consensus.ErrDiskFull):
			if err := bell.Sleep(ctx, diskPause); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		for i, tx := range txs {
			switch {
			case errs[i] == nil:
				m.metrics.Decided(snap, tx)
			case !errors.Is(errs[i], store.ErrConflict):
				m.log.ErrorContext(ctx, "a decision was refused: this is a bug", "err", errs[i])
			}
		}
		return nil
	}
	return nil
}

// diskPause is how often a decision tries whether the disk has room again.
const diskPause = time.Second
