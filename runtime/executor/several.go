package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Several is one executor for a node that runs tasks in several ways: each task
// is given to the executor of its runtime.
type Several struct {
	all map[string]Executor // by runtime

	mu    sync.Mutex
	tasks map[string]Executor // the one that has a task, as far as is known
}

var _ Executor = (*Several)(nil)

// NewSeveral joins executors, each of the runtime that is its key.
func NewSeveral(byRuntime map[string]Executor) *Several {
	return &Several{all: byRuntime, tasks: map[string]Executor{}}
}

// sorted are the executors in a firm order.
func (s *Several) sorted() []Executor {
	var runtimes []string
	for runtime := range s.all {
		runtimes = append(runtimes, runtime)
	}
	slices.Sort(runtimes)
	var list []Executor
	for _, runtime := range runtimes {
		list = append(list, s.all[runtime])
	}
	return list
}

// of is the executor that has the task. One that was neither prepared nor listed
// here is nobody's.
func (s *Several) of(id string) (Executor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.tasks[id]; x != nil {
		return x, nil
	}
	return nil, fmt.Errorf("task %s: %w", id, ErrNotFound)
}

func (s *Several) note(id string, x Executor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x == nil {
		delete(s.tasks, id)
		return
	}
	s.tasks[id] = x
}

// Describe is what all of them offer.
func (s *Several) Describe(ctx context.Context) (all specs.NodeDescription, err error) {
	var engines []string
	for _, x := range s.sorted() {
		d, err := x.Describe(ctx)
		if err != nil {
			return all, err
		}
		engines = append(engines, d.Engine)
		d.Runtimes = append(all.Runtimes, d.Runtimes...)
		all = d
	}
	all.Engine = strings.Join(engines, ", ")
	return all, nil
}

// Prepare prepares the task by the executor of its runtime.
func (s *Several) Prepare(ctx context.Context, task Task, progress func(string)) error {
	x := s.all[task.Spec.Runtime]
	if x == nil {
		return fmt.Errorf("this node cannot run tasks with runtime: %s", task.Spec.Runtime)
	}
	s.note(task.ID, x)
	return x.Prepare(ctx, task, progress)
}

// Start starts the task by the executor that has it; so do the others.
func (s *Several) Start(ctx context.Context, id string) (int, error) {
	x, err := s.of(id)
	if err != nil {
		return 0, err
	}
	return x.Start(ctx, id)
}

// Wait waits for the end of the task.
func (s *Several) Wait(ctx context.Context, id string) (specs.Exit, error) {
	x, err := s.of(id)
	if err != nil {
		return specs.Exit{}, err
	}
	return x.Wait(ctx, id)
}

// Stop stops the task.
func (s *Several) Stop(ctx context.Context, id string, grace time.Duration) error {
	x, err := s.of(id)
	if err != nil {
		return nil
	}
	return x.Stop(ctx, id, grace)
}

// Remove removes the task, of which then nothing is known any more.
func (s *Several) Remove(ctx context.Context, id string) error {
	x, err := s.of(id)
	if err != nil {
		return nil
	}
	if err := x.Remove(ctx, id); err != nil {
		return err
	}
	s.note(id, nil)
	return nil
}

// Healthcheck is what the image of the task brings.
func (s *Several) Healthcheck(ctx context.Context, id string) (*specs.Healthcheck, error) {
	x, err := s.of(id)
	if err != nil {
		return nil, err
	}
	return x.Healthcheck(ctx, id)
}

// Exec runs a command in the task.
func (s *Several) Exec(ctx context.Context, id string, c Command) (int, error) {
	x, err := s.of(id)
	if err != nil {
		return 0, err
	}
	return x.Exec(ctx, id, c)
}

// List returns the tasks of all of them. It fails if one fails: a task that is
// not listed counts as gone.
func (s *Several) List(ctx context.Context) ([]Found, error) {
	var all []Found
	var errs []error
	for _, x := range s.sorted() {
		found, err := x.List(ctx)
		for _, f := range found {
			s.note(f.ID, x)
		}
		all, errs = append(all, found...), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Found) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}
