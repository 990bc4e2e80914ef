package converge

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Dirty is what a pass has to look at.
type Dirty struct {
	All       bool                // everything: a new leader, a restored store
	Services  map[string]struct{} // by ID
	Revisions bool                // a revision came or changed
}

// Empty reports that there is nothing to look at.
func (d Dirty) Empty() bool { return !d.All && len(d.Services) == 0 && !d.Revisions }

// Add puts what other has to look at into d.
func (d *Dirty) Add(other Dirty) {
	d.All = d.All || other.All
	d.Revisions = d.Revisions || other.Revisions
	for id := range other.Services {
		d.service(id)
	}
}

func (d *Dirty) service(id string) {
	if d.Services == nil {
		d.Services = make(map[string]struct{})
	}
	d.Services[id] = struct{}{}
}

// services are the IDs to look at, in the order of their names: a plan whose
// new services have placeholder IDs goes the same way. What is gone has no name
// and comes first.
func (d Dirty) services(snap store.Snapshot) []string {
	names := make(map[string]string, len(d.Services))
	for id := range d.Services {
		svc, _ := snap.Service(id)
		names[id] = svc.Spec.Name
	}
	if d.All {
		for svc := range snap.Services() {
			names[svc.ID] = svc.Spec.Name
		}
	}
	return slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(cmp.Compare(names[a], names[b]), cmp.Compare(a, b))
	})
}

// Touches says what a pass has to look at because the rows of touched differ
// between two snapshots: services with a changed row or task, services with a
// task on a changed node, global services that a changed node takes a task of now,
// services with a pending task that what became free could help, and what an
// outage holds when a node changed.
func Touches(before, after store.Snapshot, touched store.Touched) Dirty {
	if touched.All {
		return Dirty{All: true}
	}
	d := Dirty{Revisions: len(touched.Revisions) > 0}
	for id := range touched.Services {
		d.service(id)
	}
	helps := help{freed: make(map[string]bool), nodes: make(map[string]bool)}
	for id := range touched.Tasks {
		was, had := before.Task(id)
		is, has := after.Task(id)
		if had {
			d.service(was.ServiceID)
		}
		if has {
			d.service(is.ServiceID)
		}
		if had && occupies(was) && !(has && occupies(is)) {
			helps.freed[was.Want.Node] = true
		}
	}
	for id := range touched.Nodes {
		was, _ := before.Node(id)
		is, _ := after.Node(id)
		if reflect.DeepEqual(fitness(was), fitness(is)) {
			continue
		}
		helps.nodes[id] = true
		for t := range after.TasksOn(id) {
			d.service(t.ServiceID)
		}
	}
	if len(helps.nodes) > 0 {
		d.gains(before, after, helps.nodes)
		d.held(after)
	}
	helps.wake(&d, after)
	return d
}

// gains adds the global services that one of the nodes takes a task of, and did
// not before.
func (d *Dirty) gains(before, after store.Snapshot, nodes map[string]bool) {
	for svc := range after.Services() {
		if svc.Spec.Mode != specs.Global || svc.Removed {
			continue
		}
		f := fitOf(after, svc.Spec)
		for id := range nodes {
			was, had := before.Node(id)
			is, has := after.Node(id)
			if has && f.takes(&is) && !(had && f.takes(&was)) {
				d.service(svc.ID)
				break
			}
		}
	}
}

// held adds the services whose tasks are kept on nodes that are down: whether an
// outage goes on depends on all nodes.
func (d *Dirty) held(snap store.Snapshot) {
	for n := range snap.Nodes() {
		if n.Seen.Status != specs.NodeDown {
			continue
		}
		for t := range snap.TasksOn(n.ID) {
			if t.Wanted() {
				d.service(t.ServiceID)
			}
		}
	}
}

// help is what may let pending tasks be placed, by node ID.
type help struct {
	freed map[string]bool // a task of the node ended
	nodes map[string]bool // the node changed
}

// wake adds the services whose pending tasks may be placed now.
func (h help) wake(d *Dirty, snap store.Snapshot) {
	if len(h.freed)+len(h.nodes) == 0 {
		return
	}
	for t := range snap.UnassignedTasks() {
		if _, known := d.Services[t.ServiceID]; known {
			continue
		}
		spec, _ := snap.TaskSpec(t.Spec)
		if h.concerns(t, spec.Reservations != (specs.Resources{}) || len(spec.HostPorts) > 0) {
			d.service(t.ServiceID)
		}
	}
}

// concerns: freed capacity and ports help only tasks that ask for some; a node that
// changed may help all, and if it does not, their reasons have to name it. A task
// of a global service can be on one node only.
func (h help) concerns(t specs.Task, reserves bool) bool {
	if t.SlotNode != "" {
		return h.nodes[t.SlotNode] || reserves && h.freed[t.SlotNode]
	}
	return len(h.nodes) > 0 || reserves && len(h.freed) > 0
}

func occupies(t specs.Task) bool { return t.Want.Node != "" && !t.Ended() }

// fitness is the node without what decides nothing about tasks.
func fitness(n specs.Node) specs.Node {
	n.Created, n.SpecVersion, n.SeenVersion = time.Time{}, 0, 0
	n.Seen.Since, n.Seen.Certificate = time.Time{}, specs.NodeCertificate{}
	n.Seen.Description.Engine, n.Seen.Description.Format = "", 0
	return n
}
