package dispatcher

import (
	"cmp"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/template"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// known is what a node was told so far of its tasks. It belongs to the
// goroutine of the session.
type known struct {
	nodeID  string
	desired map[string]specs.State
	carried wire.Carried // without the specs: the store has them
}

func newKnown(nodeID string) *known {
	return &known{nodeID: nodeID, desired: map[string]specs.State{}}
}

// everything is what the node has to be told if any of its tasks may have
// changed; full says that it knows nothing.
func (k *known) everything(s store.Snapshot, full bool) wire.Assignments {
	ids := map[string]struct{}{}
	for id := range k.desired {
		ids[id] = struct{}{}
	}
	for task := range s.TasksOn(k.nodeID) {
		ids[task.ID] = struct{}{}
	}
	return k.message(s, ids, full)
}

// changes is what the node has to be told if these tasks may have changed.
func (k *known) changes(s store.Snapshot, ids map[string]struct{}) wire.Assignments {
	return k.message(s, ids, false)
}

func (k *known) message(s store.Snapshot, ids map[string]struct{}, full bool) wire.Assignments {
	m := wire.Assignments{Full: full}
	brought := map[specs.Hash]specs.TaskSpec{}
	for id := range ids {
		task, exists := s.Task(id)
		was, told := k.desired[id]
		switch {
		case !exists && told:
			m.Remove = append(m.Remove, id)
			delete(k.desired, id)
		case exists && task.Want.Node == k.nodeID && (!told || was != task.Want.Desired):
			k.bring(brought, s, task.Spec)
			m.Set = append(m.Set, assignment(s, task))
			k.desired[id] = task.Want.Desired
		}
	}
	slices.Sort(m.Remove)
	slices.SortFunc(m.Set, func(a, b wire.Assignment) int { return cmp.Compare(a.TaskID, b.TaskID) })
	k.carried.Take(m)
	m.Specs = brought
	return m
}

// bring adds a spec that the session does not hold yet.
func (k *known) bring(brought map[specs.Hash]specs.TaskSpec, s store.Snapshot, h specs.Hash) {
	if _, comes := brought[h]; comes || k.carried.Holds(h) {
		return
	}
	if spec, ok := s.TaskSpec(h); ok {
		brought[h] = spec
	}
}

func assignment(s store.Snapshot, task specs.Task) wire.Assignment {
	service, _ := s.Service(task.ServiceID) // there as long as one of its tasks is
	var labels map[string]string
	if spec, _ := s.TaskSpec(task.Spec); template.Templated(spec) {
		labels = service.Spec.Labels
	}
	return wire.Assignment{
		Labels: labels,
		TaskID: task.ID, ServiceID: task.ServiceID, ServiceName: task.ServiceName,
		Stack: service.Spec.Stack, Slot: task.Slot, Spec: task.Spec,
		Desired: task.Want.Desired, State: task.Seen.State,
	}
}
