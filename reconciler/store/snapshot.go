package store

import (
	"cmp"
	"iter"
	"math"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Snapshot is the cluster at one index. It never changes and is safe for
// concurrent use. What it returns are values, but maps, slices and pointers
// inside them are shared: clone what you modify.
type Snapshot struct {
	index uint64
	t     tables
}

// Index is the index of the last entry that the snapshot contains.
func (s Snapshot) Index() uint64 { return s.index }

// Cluster returns the cluster's own row; it is zero before the cluster exists.
func (s Snapshot) Cluster() specs.Cluster {
	row, _ := s.t.cluster.get(clusterKey)
	return row
}

// Authority returns the row of the certificate authority; it is zero before
// there is one. It holds keys and secrets.
func (s Snapshot) Authority() specs.Authority {
	row, _ := s.t.authority.get(authorityKey)
	return row
}

// TaskSpec returns the spec of that hash.
func (s Snapshot) TaskSpec(h specs.Hash) (specs.TaskSpec, bool) {
	if row := s.t.taskSpecs.row(string(h)); row != nil {
		return *row.spec, true
	}
	return specs.TaskSpec{}, false
}

// Payload returns the version of a secret or config.
func (s Snapshot) Payload(version specs.Hash) (specs.Payload, bool) {
	if row := s.t.payloads.row(string(version)); row != nil {
		return *row.payload, true
	}
	return specs.Payload{}, false
}

// External returns the external secret or config of that name.
func (s Snapshot) External(kind specs.FileKind, name string) (specs.External, bool) {
	return s.t.externals.get(specs.ExternalID(kind, name))
}

// Externals yields the external secrets and configs: those before these, each by
// name.
func (s Snapshot) Externals() iter.Seq[specs.External] { return s.t.externals.all() }

// UsersOf yields the services that refer to the secret or config, by ID: in what
// is wanted of them, in what is rolled out, or in what they would go back to.
func (s Snapshot) UsersOf(kind specs.FileKind, name string) iter.Seq[specs.Service] {
	return func(yield func(specs.Service) bool) {
		for service := range s.Services() {
			if s.uses(service, kind, name) && !yield(service) {
				return
			}
		}
	}
}

func (s Snapshot) uses(service specs.Service, kind specs.FileKind, name string) bool {
	for _, h := range service.TaskSpecs() {
		spec, _ := s.TaskSpec(h)
		for k, ref := range spec.FileRefs {
			if k == kind && ref.Name == name {
				return true
			}
		}
	}
	return false
}

// Service returns the service with that ID.
func (s Snapshot) Service(id string) (specs.Service, bool) { return s.t.services.get(id) }

// ServiceNamed returns the service with that name, whatever its case.
func (s Snapshot) ServiceNamed(name string) (specs.Service, bool) {
	id, ok := s.t.serviceNames.get(fold(name))
	if !ok {
		return specs.Service{}, false
	}
	return s.t.services.get(id)
}

// Services yields all services by ID.
func (s Snapshot) Services() iter.Seq[specs.Service] { return s.t.services.all() }

// ServicesOf yields the services of a stack by name.
func (s Snapshot) ServicesOf(stack string) iter.Seq[specs.Service] {
	return func(yield func(specs.Service) bool) {
		for key := range s.t.stackServices.from(stackService{stack: stack}) {
			if key.stack != stack || !yield(*s.t.services.row(key.id)) {
				return
			}
		}
	}
}

// Task returns the task with that ID.
func (s Snapshot) Task(id string) (specs.Task, bool) { return s.t.tasks.get(id) }

// Tasks yields all tasks by ID.
func (s Snapshot) Tasks() iter.Seq[specs.Task] { return s.t.tasks.all() }

// TasksOf yields the tasks of a service by slot, oldest first within a slot.
func (s Snapshot) TasksOf(serviceID string) iter.Seq[specs.Task] {
	return func(yield func(specs.Task) bool) {
		s.TaskRowsOf(serviceID)(func(task *specs.Task) bool { return yield(*task) })
	}
}

// TaskRowsOf is TasksOf for those who look at many: it yields the rows themselves,
// which nobody modifies.
func (s Snapshot) TaskRowsOf(serviceID string) iter.Seq[*specs.Task] {
	return func(yield func(*specs.Task) bool) {
		first := specs.Task{ServiceID: serviceID, Created: time.Unix(0, math.MinInt64)}
		for key := range s.t.serviceTasks.from(serviceTask{&first}) {
			if key.ServiceID != serviceID || !yield(key.Task) {
				return
			}
		}
	}
}

// TasksOn yields the tasks assigned to a node by ID, also those that have ended.
func (s Snapshot) TasksOn(nodeID string) iter.Seq[specs.Task] {
	return func(yield func(specs.Task) bool) {
		for key := range s.t.nodeTasks.from(nodeTask{node: nodeID}) {
			if key.node != nodeID || !yield(*s.t.tasks.row(key.id)) {
				return
			}
		}
	}
}

// UnassignedTasks yields the tasks that are wanted and have no node, by ID.
func (s Snapshot) UnassignedTasks() iter.Seq[specs.Task] { return s.TasksOn("") }

// Node returns the node with that ID.
func (s Snapshot) Node(id string) (specs.Node, bool) { return s.t.nodes.get(id) }

// NodeName is what people call a node; its ID if there is no such node any more.
func (s Snapshot) NodeName(id string) string {
	node, _ := s.Node(id)
	return cmp.Or(node.Name(), id)
}

// Nodes yields all nodes by ID.
func (s Snapshot) Nodes() iter.Seq[specs.Node] { return s.t.nodes.all() }

// Stack returns the stack of that name.
func (s Snapshot) Stack(name string) (specs.StackRow, bool) { return s.t.stacks.get(name) }

// Stacks yields all stacks by name.
func (s Snapshot) Stacks() iter.Seq[specs.StackRow] { return s.t.stacks.all() }

// Source returns the source of that name.
func (s Snapshot) Source(name string) (specs.Source, bool) { return s.t.sources.get(name) }

// Sources yields all sources by name.
func (s Snapshot) Sources() iter.Seq[specs.Source] { return s.t.sources.all() }

// Ref returns the ref of that full name, "refs/heads/main".
func (s Snapshot) Ref(name string) (specs.Ref, bool) { return s.t.refs.get(name) }

// Refs yields all refs by name.
func (s Snapshot) Refs() iter.Seq[specs.Ref] { return s.t.refs.all() }

// Review returns the review of that branch, "review/debug".
func (s Snapshot) Review(branch string) (specs.Review, bool) { return s.t.reviews.get(branch) }

// Reviews yields all reviews by branch.
func (s Snapshot) Reviews() iter.Seq[specs.Review] { return s.t.reviews.all() }

// Revision returns the revision of that ID.
func (s Snapshot) Revision(id string) (specs.Revision, bool) { return s.t.revisions.get(id) }

// Revisions yields all revisions by ID, which is their order of arrival.
func (s Snapshot) Revisions() iter.Seq[specs.Revision] { return s.t.revisions.all() }
