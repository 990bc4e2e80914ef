package executortest

import (
	"slices"
	"testing"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// several joins two engines; a new one after a restart knows nothing yet.
func several(containers, processes *Memory) *executor.Several {
	return executor.NewSeveral(map[string]executor.Executor{
		specs.RuntimeContainer: containers, specs.RuntimeProcess: processes,
	})
}

// A node with two engines keeps the contract with the tasks of either.
func TestSeveralConform(t *testing.T) {
	for _, runtime := range []string{specs.RuntimeContainer, specs.RuntimeProcess} {
		t.Run("runtime "+runtime, func(t *testing.T) {
			Run(t, func(t *testing.T) Harness {
				one, other := NewMemory(t.Errorf), NewMemory(t.Errorf)
				h := memoryHarness(one)
				if runtime == specs.RuntimeProcess {
					one, other = other, one
					h = memoryHarness(other)
				}
				containers, processes := one, other
				spec := h.Spec
				h.Spec = func(p Program) specs.TaskSpec {
					s := spec(p)
					s.Runtime = runtime
					return s
				}
				h.Executor = several(containers, processes)
				h.Restart = func() executor.Executor {
					s := several(containers, processes)
					if _, err := s.List(t.Context()); err != nil { // as an agent begins
						t.Error(err)
					}
					return s
				}
				return h
			})
		})
	}
}

func TestSeveralDescribeAll(t *testing.T) {
	containers, processes := NewMemory(t.Errorf), NewMemory(t.Errorf)
	processes.SetDescription(specs.NodeDescription{Hostname: "memory", Engine: "processes", Runtimes: []string{specs.RuntimeProcess}})
	d, err := several(containers, processes).Describe(t.Context())
	if err != nil || d.Engine != "memory 1, processes" || !slices.Equal(d.Runtimes, []string{specs.RuntimeContainer, specs.RuntimeProcess}) {
		t.Errorf("%+v, %v", d, err)
	}
	only := executor.NewSeveral(map[string]executor.Executor{specs.RuntimeContainer: containers})
	err = only.Prepare(t.Context(), executor.Task{ID: "a", Spec: specs.TaskSpec{Runtime: specs.RuntimeProcess}}, nil)
	if err == nil || err.Error() != "this node cannot run tasks with runtime: process" {
		t.Error(err)
	}
}
