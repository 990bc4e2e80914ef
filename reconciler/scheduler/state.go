package scheduler

import (
	"cmp"
	"maps"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// State is the nodes and how much of them is taken.
type State struct {
	nodes    []node
	index    map[string]int32 // node ID -> place in nodes
	unsorted bool             // nodes must be put in the order of IDs before placing

	free   []specs.Resources // by node; negative when a node shrank below what it holds
	total  []int32           // by node: tasks that count
	ports  ports             // by port: nodes where it is in use
	open   bitset            // nodes that can take tasks
	levels levels            // nodes that have a row, by total

	services map[string]*counts // by service ID
	owner    *owner

	classes    map[string]int32
	eligible   map[string]*eligibility
	partitions map[string]*partition
	full       map[group]string // groups without room, and why
}

// node is a node of the cluster, or one that only its tasks still name: then it
// has no row.
type node struct {
	id    string
	row   *specs.Node // never changed
	class int32
}

// group is what asks for the same: tasks that differ in nothing that decides
// whether a node has room for them.
type group struct {
	eligible *eligibility
	reserves specs.Resources
	ports    string // see portList
}

// counts is how many tasks of one service count on each node. Only its owner
// may write it, another State copies it first.
type counts struct {
	owner *owner
	on    map[int32]int32
}

type owner struct{ _ byte } // not of size zero: addresses must differ

// New reads the nodes and tasks of a snapshot.
func New(snap store.Snapshot) *State {
	s := &State{
		index: make(map[string]int32), services: make(map[string]*counts), owner: new(owner), ports: make(ports),
		classes: make(map[string]int32),
	}
	s.forgetAttributes()
	for n := range snap.Nodes() {
		s.Node(nil, &n)
	}
	for t := range snap.Tasks() {
		spec, _ := snap.TaskSpec(t.Spec)
		s.Task(nil, &t, spec)
	}
	return s
}

// Clone returns a State of its own that answers the same. It takes time in
// proportion to the nodes and services, not to the tasks.
func (s *State) Clone() *State {
	c := *s
	c.nodes, c.index = slices.Clone(s.nodes), maps.Clone(s.index)
	c.free, c.total, c.ports = slices.Clone(s.free), slices.Clone(s.total), s.ports.clone()
	c.open, c.levels = slices.Clone(s.open), s.levels.clone()
	c.services, c.classes = maps.Clone(s.services), maps.Clone(s.classes)
	c.eligible, c.partitions, c.full = maps.Clone(s.eligible), maps.Clone(s.partitions), maps.Clone(s.full)
	s.owner, c.owner = new(owner), new(owner)
	return &c
}

// Node follows a change of a node's row: nil before if it is new, nil after if
// it is gone.
func (s *State) Node(before, after *specs.Node) {
	if after == nil {
		if before != nil {
			s.setRow(s.at(before.ID), nil)
		}
		return
	}
	row := *after
	s.setRow(s.at(row.ID), &row)
}

// Task follows a change of a task's row: nil before if it is new, nil after if
// it is gone. spec is the task's own; it never changes.
func (s *State) Task(before, after *specs.Task, spec specs.TaskSpec) {
	t := cmp.Or(after, before)
	if t == nil || t.Want.Node == "" {
		return
	}
	reserved := number(occupies(after)) - number(occupies(before))
	counted := number(occupies(after) && after.Wanted()) - number(occupies(before) && before.Wanted())
	if reserved == 0 && counted == 0 {
		return
	}
	i := s.at(t.Want.Node)
	if reserved != 0 {
		s.reserve(i, reserved, spec)
	}
	if counted != 0 {
		s.count(i, t.ServiceID, int32(counted))
	}
}

func occupies(t *specs.Task) bool { return t != nil && t.Want.Node != "" && !t.Ended() }

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// at returns the index of the node, which is made if nothing named it yet.
func (s *State) at(id string) int32 {
	if i, ok := s.index[id]; ok {
		return i
	}
	i := int32(len(s.nodes))
	if i > 0 && id < s.nodes[i-1].id {
		s.unsorted = true
	}
	s.index[id] = i
	s.nodes = append(s.nodes, node{id: id})
	s.free = append(s.free, specs.Resources{})
	s.total = append(s.total, 0)
	return i
}

// setRow replaces what is known of a node itself; what its tasks take stays.
func (s *State) setRow(i int32, row *specs.Node) {
	n, free := &s.nodes[i], &s.free[i]
	s.forgetAttributesUnless(n.row, row)
	clear(s.full)
	if n.row != nil {
		has := n.row.Seen.Description.Resources
		free.CPUs, free.Memory = free.CPUs-has.CPUs, free.Memory-has.Memory
		s.levels.remove(i, s.total[i])
	}
	s.open.remove(i)
	n.row = row
	if row == nil {
		s.unsorted = s.unsorted || s.idle(i)
		return
	}
	has := row.Seen.Description.Resources
	free.CPUs, free.Memory = free.CPUs+has.CPUs, free.Memory+has.Memory
	n.class = s.class(row)
	s.levels.add(i, s.total[i])
	if row.CanTakeTasks() {
		s.open = s.open.with(i)
	}
}

// reserve takes from the node what n tasks reserve, or gives it back when n is
// negative.
func (s *State) reserve(i int32, n int, spec specs.TaskSpec) {
	r := spec.Reservations
	if r == (specs.Resources{}) && len(spec.HostPorts) == 0 {
		return
	}
	s.ports.hold(i, n, spec.HostPorts)
	s.free[i].CPUs -= specs.NanoCPUs(n) * r.CPUs
	s.free[i].Memory -= specs.Bytes(n) * r.Memory
	if n > 0 {
		return
	}
	for g := range s.full {
		if g.eligible.nodes.has(i) {
			delete(s.full, g)
		}
	}
}

// count adds n tasks of the service to the node.
func (s *State) count(i int32, serviceID string, n int32) {
	c := s.own(serviceID)
	if c.on[i] += n; c.on[i] == 0 {
		delete(c.on, i)
	}
	if len(c.on) == 0 {
		delete(s.services, serviceID)
	}
	if s.nodes[i].row == nil {
		s.total[i] += n
		s.unsorted = s.unsorted || s.idle(i)
		return
	}
	s.levels.remove(i, s.total[i])
	s.total[i] += n
	s.levels.add(i, s.total[i])
}

// own returns the service's counts for writing.
func (s *State) own(serviceID string) *counts {
	c, ok := s.services[serviceID]
	switch {
	case !ok:
		c = &counts{owner: s.owner, on: make(map[int32]int32)}
	case c.owner != s.owner:
		c = &counts{owner: s.owner, on: maps.Clone(c.on)}
	default:
		return c
	}
	s.services[serviceID] = c
	return c
}

// on returns the service's number of tasks by node, for reading.
func (s *State) on(serviceID string) map[int32]int32 {
	if c, ok := s.services[serviceID]; ok {
		return c.on
	}
	return nil
}
