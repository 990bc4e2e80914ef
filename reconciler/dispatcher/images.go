package dispatcher

import (
	"context"
	"maps"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// registryLogin gives a node what opens the registry of the image of one of its
// tasks.
func (d *Dispatcher) registryLogin(ctx context.Context, req wire.RegistryLoginRequest) (specs.Login, error) {
	t, s, err := d.opened(ctx, req.SessionID)
	if err != nil {
		return specs.Login{}, err
	}
	snapshot := t.Store.Snapshot()
	task, ok := toRun(snapshot, s.nodeID, req.TaskID)
	if !ok {
		return specs.Login{}, wire.Errorf(wire.PermissionDenied, "no task %s is to run on node %s", req.TaskID, s.nodeID)
	}
	spec, _ := snapshot.TaskSpec(task.Spec) // there as long as a task names it
	return t.Login(spec.Image)
}

// neededImages tells a node which images it must keep.
func (d *Dispatcher) neededImages(ctx context.Context, req wire.NeededImagesRequest) (wire.NeededImagesReply, error) {
	t, s, err := d.opened(ctx, req.SessionID)
	if err != nil {
		return wire.NeededImagesReply{}, err
	}
	return wire.NeededImagesReply{Images: imagesOf(t.Store.Snapshot(), s.nodeID)}, nil
}

// imagesOf are the images of all tasks of a node, and of what their services may
// start there next.
func imagesOf(s store.Snapshot, nodeID string) []string {
	needed := map[string]bool{}
	for task := range s.TasksOn(nodeID) {
		service, _ := s.Service(task.ServiceID) // there as long as one of its tasks is
		for _, h := range append(service.TaskSpecs(), task.Spec) {
			if spec, _ := s.TaskSpec(h); spec.Image != "" {
				needed[spec.Image] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(needed))
}
