package containerd

import (
	"context"
	"errors"
	"testing"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// noKeeper are logs whose keeper does not answer.
type noKeeper struct{}

var errNoKeeper = errors.New("another log keeper holds this directory and does not end")

func (noKeeper) Open(context.Context, string) (string, string, error) {
	return "", "", errNoKeeper
}

func (noKeeper) Finish(context.Context, string) error { return errNoKeeper }

// That the log keeper is away says nothing about a task: it waits for it.
func TestATaskWaitsForTheLogKeeper(t *testing.T) {
	b := newBench(t)
	task := b.task(t, specs.TaskSpec{Command: []string{"sleep"}})
	b.config.Logs = noKeeper{}
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
