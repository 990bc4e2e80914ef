package planner

import (
	"maps"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// withRestarts gives the wanted services the restarts that operators asked of the
// present ones, and the digests that these brought: what is wanted may have been
// read before. No file says them, and without them each push would replace every
// task that such a restart has replaced. The stacks that are given stay as they are.
func withRestarts(present store.Snapshot, stacks []specs.Stack) []specs.Stack {
	stacks = slices.Clone(stacks)
	for i := range stacks {
		stack := &stacks[i]
		tasks := make(map[specs.Hash]specs.TaskSpec)
		services := slices.Clone(stack.Services)
		for j := range services {
			service := &services[j]
			now, _ := present.ServiceNamed(service.Name)
			was, _ := present.TaskSpec(now.Spec.Task)
			task, found := stack.Tasks[service.Task]
			if !found || was.Restarts == task.Restarts {
				continue
			}
			task.Restarts = was.Restarts
			if service.Image != "" && service.Image == now.Spec.Image && strings.Contains(was.Image, "@") {
				task.Image = was.Image
			}
			service.Task = encoding.HashTaskSpec(task)
			tasks[service.Task] = task
		}
		if len(tasks) > 0 {
			maps.Copy(tasks, stack.Tasks)
			stack.Services, stack.Tasks = services, tasks
		}
	}
	return stacks
}
