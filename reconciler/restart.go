package reconciler

import (
	"context"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/images"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Restart gives a service a task spec that differs from its own in the number of
// restarts, and if pull is asked for in the digest of its image. What follows is a
// rollout like any other.
func (m *Manager) Restart(ctx context.Context, id string, pull bool) error {
	svc, _, err := restartable(m.store.Snapshot(), id)
	if err != nil {
		return err
	}
	name, image := svc.Spec.Image, ""
	if pull {
		if image, err = images.Ask(ctx, svc.Spec, m.lookups()); err != nil {
			return wire.Errorf(wire.Unavailable, "restart %s --pull: %w: nothing was restarted; without --pull it restarts as it is", svc.Spec.Name, err)
		}
	}
	err = m.alter(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		svc, task, err := restartable(snap, id)
		switch {
		case err != nil:
			return nil, err
		case pull && svc.Spec.Image != name:
			return nil, wire.Errorf(wire.Unavailable, "restart %s --pull: a push changed its image meanwhile: nothing was restarted: try again", svc.Spec.Name)
		case pull:
			task.Image = image
		}
		task.Restarts++
		want := specs.ServiceWant{Spec: svc.Spec}
		want.Spec.Task = encoding.HashTaskSpec(task)
		return specs.Transaction{{TaskSpec: &task}, {Spec: specs.Set(id, svc.SpecVersion, want)}}, nil
	})
	if err == nil {
		m.log.InfoContext(ctx, "a service is restarted", "service", svc.Spec.Name, "pulled", image, "by", asker(ctx))
	}
	return err
}

// restartable is a service that can be restarted, and its task spec.
func restartable(snap store.Snapshot, id string) (specs.Service, specs.TaskSpec, error) {
	svc, exists := snap.Service(id)
	switch {
	case !exists:
		return svc, specs.TaskSpec{}, wire.Errorf(wire.NotFound, "the service was removed meanwhile: nothing was restarted")
	case svc.Removed:
		return svc, specs.TaskSpec{}, wire.Errorf(wire.InvalidArgument, "restart %s: it is being removed; a push that has it again starts it", svc.Spec.Name)
	}
	task, _ := snap.TaskSpec(svc.Spec.Task)
	return svc, task, nil
}

// FollowRollout tells the progress of a service's rollout until it has ended.
func (m *Manager) FollowRollout(ctx context.Context, id string, line func(string) error) (specs.Rollout, error) {
	began, told := m.raft.Now(), make(map[string]progress)
	for {
		snap, changed := m.store.Watch()
		svc, exists := snap.Service(id)
		if !exists || svc.Removed {
			return specs.Rollout{}, wire.Errorf(wire.NotFound, "the service was removed meanwhile")
		}
		ended := svc.Rollout.Target == svc.Spec.Task && svc.Rollout.State != specs.RolloutUpdating
		held, err := tell([]progress{serviceProgress(snap, svc, m.raft.Now())}, told, ended, began, line)
		if err != nil {
			return svc.Rollout, err
		}
		if ended {
			took := svc.Rollout.Ended.Sub(svc.Rollout.Started)
			return svc.Rollout, line(rolloutVerdict(svc, took))
		}
		select {
		case <-changed:
		case <-afterQuiet(held):
		case <-ctx.Done():
			return svc.Rollout, ctx.Err()
		}
	}
}

// rolloutVerdict is how a service's rollout ended, and what to do next.
func rolloutVerdict(svc specs.Service, took time.Duration) string {
	if svc.Rollout.State == specs.RolloutCompleted {
		return fmt.Sprintf("completed: %s after %s", svc.Spec.Name, seconds(took))
	}
	return fmt.Sprintf("%s: %s: %s. The other tasks go on; a push or another restart resumes it.", svc.Rollout.State, svc.Spec.Name, svc.Rollout.Message)
}
