package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
)

// Config says where things lie and how supervisors are started.
type Config struct {
	Dir     string        // absolute; for one small directory a task
	Command []string      // runs Main
	Logs    executor.Logs // nil throws away what tasks write
	Cgroup  string        // of root's tasks, "/swarmgit/x"; others use what is delegated to them
	Log     *slog.Logger  // nil is the default one
}

// Engine is an executor of plain processes.
type Engine struct {
	config  Config
	log     *slog.Logger
	boot    string
	cgroups cgroup.FS
	cgroup  string   // all tasks'
	refused []string // limits that cannot be enforced here
}

var _ executor.Executor = (*Engine)(nil)

// Open reads what an engine of the same directory has left, and can end it. It
// starts nothing and changes nothing of this process: [Engine.Settle] does.
func Open(config Config) (*Engine, error) {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	e := &Engine{config: config, log: config.Log, cgroups: cgroup.Find(cgroup.Root)}
	var err error
	if e.boot, err = procfs.BootID(); err != nil {
		return nil, fmt.Errorf("tell this boot of the machine from others: %w", err)
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the executor's directory: %w", err)
	}
	e.cgroup = e.cgroups.Home(config.Cgroup)
	return e, nil
}

// Settle makes this process the daemon of which tasks are started, and learns what
// limits they can have. It comes before all but Open, List and Shutdown.
func (e *Engine) Settle() (err error) {
	e.cgroup = e.cgroups.Settle(e.config.Cgroup)
	if e.refused, err = e.tryLimits(); err != nil {
		return err
	}
	for _, words := range e.refused {
		e.log.Warn("tasks that are processes run without a limit", "why", words)
	}
	return nil
}

// tryLimits says which limits this node cannot enforce.
func (e *Engine) tryLimits() ([]string, error) {
	probe := filepath.Join(e.cgroup, "probe")
	made := e.cgroups.Make(probe, specs.Limits{CPUs: 1e9, Memory: 64 << 20, Pids: 64})
	return made.Refused, e.cgroups.Remove(probe)
}

// Describe says what this machine offers.
func (e *Engine) Describe(context.Context) (specs.NodeDescription, error) {
	d, err := executor.Machine()
	d.Engine, d.Runtimes = "processes", []string{specs.RuntimeProcess}
	if len(e.refused) > 0 {
		d.Engine = "processes without limits"
	}
	return d, err
}

// Prepare finds the program and writes down all that its supervisor needs.
func (e *Engine) Prepare(ctx context.Context, task executor.Task, _ func(string)) error {
	_, phase, err := e.look(ctx, task.ID)
	switch {
	case err == nil && phase != executor.Preparing:
		return nil
	case err == nil:
		err = e.Remove(ctx, task.ID)
	case errors.Is(err, executor.ErrNotFound):
		err = nil
	}
	if err != nil {
		return failure("prepare", err)
	}
	p, err := newProgram(task)
	if err == nil {
		err = give(task, p.User)
	}
	if err != nil {
		return err
	}
	return failure("prepare", e.make(ctx, task, p))
}

// make makes everything of a task; what says that it is whole comes last.
func (e *Engine) make(ctx context.Context, task executor.Task, p program) (err error) {
	dir := e.dir(task.ID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := makeRecord(dir); err != nil {
		return err
	}
	if e.config.Logs != nil {
		if p.Stdout, p.Stderr, err = e.config.Logs.Open(ctx, task.ID); err != nil {
			return fmt.Errorf("open the log: %w: %w", executor.ErrTemporary, err)
		}
	}
	p.Boot, p.Cgroups, p.Cgroup = e.boot, e.cgroups, e.cgroupOf(task.ID)
	p.Made = e.cgroups.Make(p.Cgroup, task.Spec.Limits)
	return writeProgram(dir, p)
}

// failure is err with what was tried. A disk that is full says nothing about the
// task.
func failure(tried string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: %w: %w", tried, executor.ErrTemporary, err)
	}
	return fmt.Errorf("%s: %w", tried, err)
}

// List returns our tasks, sorted by ID.
func (e *Engine) List(ctx context.Context) ([]executor.Found, error) {
	entries, err := os.ReadDir(e.config.Dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	found := make([]executor.Found, 0, len(entries))
	for _, entry := range entries {
		f, err := e.found(ctx, entry.Name())
		if errors.Is(err, executor.ErrNotFound) {
			continue // it has just been removed
		}
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return slices.Clip(found), nil
}

func (e *Engine) found(ctx context.Context, id string) (executor.Found, error) {
	s, phase, err := e.look(ctx, id)
	f := executor.Found{ID: id, ServiceName: s.program.ServiceName, Phase: phase}
	switch {
	case err != nil:
	case phase == executor.Running:
		f.PID = s.main.PID
	case phase == executor.Exited:
		f.Exit = s.end.Exit
	}
	return f, err
}

// dir is where the files of one task lie.
func (e *Engine) dir(id string) string { return filepath.Join(e.config.Dir, id) }

// cgroupOf is a task's own cgroup.
func (e *Engine) cgroupOf(id string) string { return filepath.Join(e.cgroup, id) }
