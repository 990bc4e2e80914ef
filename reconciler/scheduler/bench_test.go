package scheduler

import (
	"fmt"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// BenchmarkPlace fills an empty cluster and tells the State of every task.
func BenchmarkPlace(b *testing.B) {
	for _, size := range []struct{ services, tasks, nodes int }{
		{1, 1_000_000, 10_000}, {1000, 1000, 10_000}, {20_000, 50, 10_000}, {1, 100_000, 1000}, {1000, 100, 1000},
	} {
		name := fmt.Sprintf("%dx%d_tasks_on_%d_nodes", size.services, size.tasks, size.nodes)
		empty := bigCluster(size.nodes)
		b.Run("decide/"+name, func(b *testing.B) { fill(b, empty, size.services, size.tasks, nil, false) })
		b.Run("decide+follow/"+name, func(b *testing.B) { fill(b, empty, size.services, size.tasks, nil, true) })
		b.Run("zones/"+name, func(b *testing.B) {
			fill(b, empty, size.services, size.tasks, []string{"node.labels.zone"}, true)
		})
	}
}

func bigCluster(nodes int) *State {
	c := newCluster()
	for i := range nodes {
		n := readyNode(fmt.Sprintf("node%05d zone=%d", i, i%3))
		n.Seen.Description.Resources = specs.Resources{CPUs: 128 * cpu, Memory: 1024 * gib}
		c.set(n)
	}
	return c.State
}

func bigRequest(service int, preferences []string) Request {
	r := reserving(fmt.Sprintf("service%05d", service), cpu/10, gib/10)
	r.Rules = specs.Placement{Constraints: []string{"node.platform.os==linux"}, Preferences: preferences}
	return r
}

func fill(b *testing.B, empty *State, services, tasks int, preferences []string, follow bool) {
	b.ReportAllocs()
	for b.Loop() {
		s := empty.Clone()
		for i := range services {
			r := bigRequest(i, preferences)
			r.Count = tasks
			placed := s.Place(r)
			if len(placed.Nodes) != tasks {
				b.Fatalf("placed %d of %d: %s", len(placed.Nodes), tasks, placed.Reason)
			}
			if follow {
				tell(s, r, placed.Nodes)
			}
		}
	}
}

func tell(s *State, r Request, nodes []string) {
	task := specs.Task{ServiceID: r.ServiceID, Want: specs.TaskWant{Desired: specs.StateRunning}}
	for _, node := range nodes {
		task.Want.Node = node
		s.Task(nil, &task, r.Spec)
	}
}

// BenchmarkPlaceOne replaces one task of a service that is on every node.
func BenchmarkPlaceOne(b *testing.B) {
	s := bigCluster(10_000)
	for i := range 10 {
		r := bigRequest(i, nil)
		r.Count = 10_000
		tell(s, r, s.Place(r).Nodes)
	}
	one := bigRequest(3, nil)
	one.Count = 1
	fresh := bigRequest(99, nil)
	fresh.Count = 1
	b.Run("of a service on every node", func(b *testing.B) { placeOne(b, s, one) })
	b.Run("of a new service", func(b *testing.B) { placeOne(b, s, fresh) })
	full := fresh
	full.Spec.Reservations.CPUs = 1000 * cpu
	b.Run("refused", func(b *testing.B) {
		for b.Loop() {
			if s.Place(full).Reason == "" {
				b.Fatal("a task was placed that fits nowhere")
			}
		}
	})
}

func placeOne(b *testing.B, s *State, r Request) {
	for b.Loop() {
		if len(s.Place(r).Nodes) != 1 {
			b.Fatal("no node")
		}
	}
}

// BenchmarkClone copies a State of 1,000 services and 1,000,000 tasks.
func BenchmarkClone(b *testing.B) {
	s := bigCluster(10_000)
	for i := range 1000 {
		r := bigRequest(i, nil)
		r.Count = 1000
		tell(s, r, s.Place(r).Nodes)
	}
	for b.Loop() {
		s.Clone()
	}
}
