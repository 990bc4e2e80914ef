package executortest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// Exit codes of a process that a signal ended.
const (
	exitTerminated = 128 + 15
	exitKilled     = 128 + 9
)

// Memory is an executor whose tasks are only remembered. The zero value is not
// usable: see [NewMemory].
type Memory struct {
	complain func(format string, args ...any)

	mu          sync.Mutex
	description specs.NodeDescription
	images      map[string]Behaviour
	names       map[string]Behaviour
	fault       func(Op, string) Fault
	tasks       map[string]*memoryTask
	busy        map[string]call
	starts      map[string]int
	lastPID     int
	down        bool
	mute        bool
	away        chan struct{} // closed when the engine goes away
}

// memoryTask is guarded by Memory.mu; its channels are made with it.
type memoryTask struct {
	task      executor.Task
	behaviour Behaviour
	phase     executor.Phase
	pid       int
	exit      specs.Exit
	ending    *time.Timer   // ends the process by itself; nil if nothing is due
	ended     chan struct{} // closed when the process has ended
	gone      chan struct{} // closed when the task is removed or lost
}

// call is an exclusive call for one task that is under way.
type call struct {
	op  Op
	ctx context.Context
}

var _ executor.Executor = (*Memory)(nil)

// NewMemory returns an empty engine. It calls complain, a test's Errorf, when a
// promise of the contract is broken by the caller.
func NewMemory(complain func(format string, args ...any)) *Memory {
	return &Memory{
		complain: complain,
		description: specs.NodeDescription{
			Hostname: "memory", OS: "linux", Arch: "amd64", Engine: "memory 1", Runtimes: []string{""},
			Resources: specs.Resources{CPUs: 4e9, Memory: 8 << 30},
		},
		images: map[string]Behaviour{},
		names:  map[string]Behaviour{},
		tasks:  map[string]*memoryTask{},
		busy:   map[string]call{},
		starts: map[string]int{},
		away:   make(chan struct{}),
	}
}

// SetDescription changes what Describe says.
func (m *Memory) SetDescription(d specs.NodeDescription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.description = d
}

// SetImage says how tasks of an image behave that are prepared from now on.
func (m *Memory) SetImage(image string, b Behaviour) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.images[image] = b
}

// SetTask says how tasks of a name ("shop_web.1") or an ID behave that are
// prepared from now on. It goes before the image's behaviour.
func (m *Memory) SetTask(name string, b Behaviour) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names[name] = b
}

// SetFault makes f decide at each call whether it fails; nil ends that. The task
// ID is empty for calls that are about no task. f must not call the Memory.
func (m *Memory) SetFault(f func(op Op, id string) Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = f
}

// SetMute makes List know of its tasks only that they are there, or all again.
func (m *Memory) SetMute(mute bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mute = mute
}

// SetDown makes the engine go away or come back. While it is away every call
// fails with ErrTemporary, waits that are under way too; processes run on.
func (m *Memory) SetDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case down && !m.down:
		close(m.away)
	case !down && m.down:
		m.away = make(chan struct{})
	}
	m.down = down
}

// Kill ends a running task behind everybody's back. It reports whether there
// was a process to end.
func (m *Memory) Kill(id string, exit specs.Exit) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	return t != nil && m.end(t, exit)
}

// Lose removes a task behind everybody's back, process and all.
func (m *Memory) Lose(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(id)
}

// Reboot ends every process without a trace: what was made on disk is still
// here, half made.
func (m *Memory) Reboot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, t := range m.tasks {
		m.drop(id)
		m.tasks[id] = newMemoryTask(t.task, t.behaviour)
	}
}

// Starts counts the starts of each task ID since the beginning. A count above
// one is a task that ran twice.
func (m *Memory) Starts() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.starts)
}

// Running returns the tasks that have a process now, sorted by ID.
func (m *Memory) Running() []executor.Task {
	m.mu.Lock()
	defer m.mu.Unlock()
	var running []executor.Task
	for _, t := range m.tasks {
		if t.phase == executor.Running {
			running = append(running, t.task)
		}
	}
	slices.SortFunc(running, func(a, b executor.Task) int { return strings.Compare(a.ID, b.ID) })
	return running
}

// ReadFile reads a secret or a config of a running task at its path in the task,
// and says its permission bits.
func (m *Memory) ReadFile(id, path string) ([]byte, fs.FileMode, error) {
	for _, task := range m.Running() {
		i := slices.IndexFunc(task.Files, func(f executor.File) bool { return seenAt(task, f) == path })
		if task.ID != id || i < 0 {
			continue
		}
		info, err := os.Stat(task.Files[i].Source)
		if err != nil {
			return nil, 0, err
		}
		content, err := os.ReadFile(task.Files[i].Source)
		return content, info.Mode().Perm(), err
	}
	return nil, 0, fmt.Errorf("task %s does not run or has no file %s", id, path)
}

func newMemoryTask(task executor.Task, b Behaviour) *memoryTask {
	return &memoryTask{
		task: task, behaviour: b, phase: executor.Preparing,
		ended: make(chan struct{}), gone: make(chan struct{}),
	}
}

// behaviourOf needs m.mu.
func (m *Memory) behaviourOf(task executor.Task) Behaviour {
	for _, key := range []string{task.ID, task.Name} {
		if b, ok := m.names[key]; ok {
			return b
		}
	}
	return m.images[task.Spec.Image]
}

// end ends a running process. It needs m.mu.
func (m *Memory) end(t *memoryTask, exit specs.Exit) bool {
	if t.phase != executor.Running {
		return false
	}
	t.phase, t.pid, t.exit = executor.Exited, 0, exit
	t.cancelEnding()
	close(t.ended)
	return true
}

// drop forgets a task and its process, whose end nobody sees. It needs m.mu.
func (m *Memory) drop(id string) {
	t := m.tasks[id]
	if t == nil {
		return
	}
	t.cancelEnding()
	close(t.gone)
	delete(m.tasks, id)
}

func (t *memoryTask) cancelEnding() {
	if t.ending != nil {
		t.ending.Stop()
		t.ending = nil
	}
}

// enter admits an exclusive call for a task and returns what ends it. Two at a
// time break the contract, unless the first one's caller has given up.
func (m *Memory) enter(ctx context.Context, op Op, id string) (leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if other, ok := m.busy[id]; ok && other.ctx.Err() == nil {
		m.complain("executor: %s of task %s while its %s is under way", op, id, other.op)
	}
	mine := call{op, ctx}
	m.busy[id] = mine
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.busy[id] == mine {
			delete(m.busy, id)
		}
	}
}

// admit says whether a call may be done: the engine is there, the caller too,
// and no fault is wanted before it is done. after is what the caller is told
// once it is done.
func (m *Memory) admit(ctx context.Context, op Op, id string) (after error, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.down {
		return nil, fmt.Errorf("%s task %s: the engine is away: %w", op, id, executor.ErrTemporary)
	}
	if m.fault == nil {
		return nil, nil
	}
	switch m.fault(op, id) {
	case NotDone:
		return nil, fmt.Errorf("%s task %s: not done: %w", op, id, executor.ErrTemporary)
	case DoneButFailed:
		return fmt.Errorf("%s task %s: no answer: %w", op, id, executor.ErrTemporary), nil
	}
	return nil, nil
}
