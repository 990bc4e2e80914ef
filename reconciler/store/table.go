package store

import (
	"iter"
	"strings"

	"github.com/tidwall/btree"

	"github.com/swarmgit/swarmgit/specs"
)

// tables is one whole state. Copying the struct and calling fork gives a second
// state that shares everything until one of them is written.
type tables struct {
	cluster   *specs.Cluster
	taskSpecs table[taskSpecRow]
	services  table[specs.Service]
	tasks     table[specs.Task]
	nodes     table[specs.Node]
	stacks    table[specs.StackRow]
	sources   table[specs.Source]
	refs      table[specs.Ref]
	revisions table[specs.Revision]

	serviceNames  table[string] // folded name -> service ID
	stackServices index         // stack, service name
	serviceTasks  index         // service, slot, created
	nodeTasks     index         // node
}

type taskSpecRow struct {
	spec specs.TaskSpec
	refs int // services and tasks that name it
}

func emptySnapshot() Snapshot {
	return Snapshot{t: tables{
		cluster:   new(specs.Cluster),
		taskSpecs: newTable[taskSpecRow](), services: newTable[specs.Service](),
		tasks: newTable[specs.Task](), nodes: newTable[specs.Node](),
		stacks: newTable[specs.StackRow](), sources: newTable[specs.Source](),
		refs: newTable[specs.Ref](), revisions: newTable[specs.Revision](),
		serviceNames: newTable[string](), stackServices: newIndex(),
		serviceTasks: newIndex(), nodeTasks: newIndex(),
	}}
}

func (t tables) fork() tables {
	t.taskSpecs, t.services, t.tasks = t.taskSpecs.fork(), t.services.fork(), t.tasks.fork()
	t.nodes, t.stacks, t.sources = t.nodes.fork(), t.stacks.fork(), t.sources.fork()
	t.refs, t.revisions, t.serviceNames = t.refs.fork(), t.revisions.fork(), t.serviceNames.fork()
	t.stackServices, t.serviceTasks, t.nodeTasks = t.stackServices.fork(), t.serviceTasks.fork(), t.nodeTasks.fork()
	return t
}

// table is a copy-on-write ordered map from ID to row.
type table[T any] struct{ m *btree.Map[string, T] }

func newTable[T any]() table[T] { return table[T]{btree.NewMap[string, T](64)} }

func (t table[T]) fork() table[T]          { return table[T]{t.m.IsoCopy()} }
func (t table[T]) get(id string) (T, bool) { return t.m.Get(id) }
func (t table[T]) set(id string, row T)    { t.m.Set(id, row) }
func (t table[T]) delete(id string)        { t.m.Delete(id) }
func (t table[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		t.m.Scan(func(_ string, row T) bool { return yield(row) })
	}
}

// index is an ordered set of keys, each leading to the ID of a row.
type index struct{ m *btree.BTreeG[indexKey] }

type indexKey struct{ key, id string }

func newIndex() index {
	return index{btree.NewBTreeGOptions(func(a, b indexKey) bool {
		return a.key < b.key || a.key == b.key && a.id < b.id
	}, btree.Options{NoLocks: true})}
}

func (x index) fork() index           { return index{x.m.IsoCopy()} }
func (x index) add(key, id string)    { x.m.Set(indexKey{key, id}) }
func (x index) remove(key, id string) { x.m.Delete(indexKey{key, id}) }
func (x index) prefix(p string) iter.Seq[indexKey] {
	return func(yield func(indexKey) bool) {
		x.m.Ascend(indexKey{key: p}, func(k indexKey) bool {
			return strings.HasPrefix(k.key, p) && yield(k)
		})
	}
}

func fold(name string) string { return strings.ToLower(name) }
