package planner

import (
	"maps"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// withRestarts gives the wanted services the restarts that operators asked of the
// present ones. No file says them, and without them each push would replace every
// task that such a restart has replaced. The stacks that are given stay as they are.
func withRestarts(present store.Snapshot, stacks []specs.Stack) []specs.Stack {
	stacks = slices.Clone(stacks)
	for i := range stacks {
		stack := &stacks[i]
		tasks := make(map[specs.Hash]specs.TaskSpec)
		services := slices.Clone(stack.Services)
		for j := range services {
			task, found := stack.Tasks[services[j].Task]
			restarts := restartsOf(present, services[j].Name)
			if !found || task.Restarts == restarts {
				continue
			}
			task.Restarts = restarts
			services[j].Task = encoding.HashTaskSpec(task)
			tasks[services[j].Task] = task
		}
		if len(tasks) > 0 {
			maps.Copy(tasks, stack.Tasks)
			stack.Services, stack.Tasks = services, tasks
		}
	}
	return stacks
}

func restartsOf(present store.Snapshot, service string) uint64 {
	svc, _ := present.ServiceNamed(service)
	task, _ := present.TaskSpec(svc.Spec.Task)
	return task.Restarts
}
