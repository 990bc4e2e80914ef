package containerd

import (
	"errors"
	"testing"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

// That the log keeper is away says nothing about a task: it waits for it.
func TestATaskWaitsForTheLogKeeper(t *testing.T) {
	b := newBench(t)
	task := b.task(t, specs.TaskSpec{Command: []string{"sleep"}})
	b.config.Logs = executortest.NoKeeper{}
	for _, state := range []string{"new", "half made"} {
		if err := b.Prepare(t.Context(), task, nil); !errors.Is(err, executor.ErrTemporary) {
			t.Errorf("a task that is %s is prepared without a log keeper: %v", state, err)
		}
	}
	b.config.Logs = b.pipes
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Errorf("with a log keeper again: %v", err)
	}
}
