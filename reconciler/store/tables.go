package store

import (
	"cmp"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// tables is one whole state. A fork shares everything with its origin until it
// is written.
type tables struct {
	cluster   table[specs.Cluster]   // one row, under clusterKey
	authority table[specs.Authority] // one row, under authorityKey
	taskSpecs table[taskSpecRow]
	payloads  table[payloadRow]
	externals table[specs.External]
	services  table[specs.Service]
	tasks     table[specs.Task]
	nodes     table[specs.Node]
	stacks    table[specs.StackRow]
	sources   table[specs.Source]
	refs      table[specs.Ref]
	reviews   table[specs.Review]
	revisions table[specs.Revision]

	serviceNames  table[string] // folded name -> service ID
	stackServices index[stackService]
	serviceTasks  index[serviceTask]
	nodeTasks     index[nodeTask]
}

const (
	clusterKey   = "cluster"
	authorityKey = "authority"
)

type taskSpecRow struct {
	hash specs.Hash
	spec *specs.TaskSpec
	refs int // by services and tasks
}

func emptySnapshot() Snapshot {
	return Snapshot{t: tables{
		cluster: newTable[specs.Cluster](), authority: newTable[specs.Authority](), taskSpecs: newTable[taskSpecRow](),
		payloads: newTable[payloadRow](), externals: newTable[specs.External](),
		services: newTable[specs.Service](), tasks: newTable[specs.Task](),
		nodes: newTable[specs.Node](), stacks: newTable[specs.StackRow](),
		sources: newTable[specs.Source](), refs: newTable[specs.Ref](),
		reviews: newTable[specs.Review](), revisions: newTable[specs.Revision](), serviceNames: newTable[string](),
		stackServices: newIndex[stackService](), serviceTasks: newIndex[serviceTask](),
		nodeTasks: newIndex[nodeTask](),
	}}
}

func (t tables) fork() tables {
	return tables{
		t.cluster.fork(), t.authority.fork(), t.taskSpecs.fork(), t.payloads.fork(), t.externals.fork(), t.services.fork(), t.tasks.fork(), t.nodes.fork(),
		t.stacks.fork(), t.sources.fork(), t.refs.fork(), t.reviews.fork(), t.revisions.fork(), t.serviceNames.fork(),
		t.stackServices.fork(), t.serviceTasks.fork(), t.nodeTasks.fork(),
	}
}

func (t tables) freeze() tables {
	return tables{
		t.cluster.freeze(), t.authority.freeze(), t.taskSpecs.freeze(), t.payloads.freeze(), t.externals.freeze(), t.services.freeze(), t.tasks.freeze(), t.nodes.freeze(),
		t.stacks.freeze(), t.sources.freeze(), t.refs.freeze(), t.reviews.freeze(), t.revisions.freeze(), t.serviceNames.freeze(),
		t.stackServices.freeze(), t.serviceTasks.freeze(), t.nodeTasks.freeze(),
	}
}

// putService replaces the row old by row, either may be nil, and moves its
// entries in the indexes.
func (t tables) putService(old, row *specs.Service) {
	if old != nil {
		t.serviceNames.put(fold(old.Spec.Name), nil)
	}
	t.services.put(cmp.Or(row, old).ID, row)
	if row != nil {
		t.serviceNames.put(fold(row.Spec.Name), &row.ID)
	}
	t.stackServices.move(stackServiceKey(old), stackServiceKey(row))
}

// putTask replaces the row old by row, either may be nil, and moves its entries
// in the indexes.
func (t tables) putTask(old, row *specs.Task) {
	t.tasks.put(cmp.Or(row, old).ID, row)
	t.serviceTasks.move(serviceTaskKey(old), serviceTaskKey(row))
	t.nodeTasks.move(nodeTaskKey(old), nodeTaskKey(row))
}

// stackService orders services by stack and name.
type stackService struct{ stack, name, id string }

func (k stackService) less(l stackService) bool {
	return cmp.Or(strings.Compare(k.stack, l.stack), strings.Compare(k.name, l.name), strings.Compare(k.id, l.id)) < 0
}

func stackServiceKey(s *specs.Service) *stackService {
	if s == nil {
		return nil
	}
	return &stackService{s.Spec.Stack, s.Spec.Name, s.ID}
}

// serviceTask orders tasks by service, slot and age. It is the row itself: a pass
// over a service's tasks, the most frequent of all reads, looks none of them up.
type serviceTask struct{ *specs.Task }

func (k serviceTask) less(l serviceTask) bool {
	if k.ServiceID != l.ServiceID {
		return k.ServiceID < l.ServiceID
	}
	return cmp.Or(k.SlotID().Compare(l.SlotID()), cmp.Compare(k.Created.UnixNano(), l.Created.UnixNano()), strings.Compare(k.ID, l.ID)) < 0
}

func serviceTaskKey(t *specs.Task) *serviceTask {
	if t == nil {
		return nil
	}
	return &serviceTask{t}
}

// nodeTask orders tasks by node; under the empty node stand those that wait for
// one.
type nodeTask struct{ node, id string }

func (k nodeTask) less(l nodeTask) bool {
	return cmp.Or(strings.Compare(k.node, l.node), strings.Compare(k.id, l.id)) < 0
}

func nodeTaskKey(t *specs.Task) *nodeTask {
	if t == nil || t.Want.Node == "" && !t.Wanted() {
		return nil
	}
	return &nodeTask{t.Want.Node, t.ID}
}

func fold(name string) string { return strings.ToLower(name) }
