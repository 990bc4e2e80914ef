package store

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// The draws of the property tests: few names, so that they meet, and bases that
// are right more often than not.

var (
	serviceIDs = []string{"s1", "s2", "s3"}
	taskIDs    = []string{"t1", "t2", "t3", "t4", "t5", "t6"}
	nodeIDs    = []string{"n1", "n2"}
	names      = []string{"web", "Web", "db", "cache"}
	taskSpecs  = []specs.TaskSpec{{Image: "a"}, {Image: "b"}, {Image: "c"}}
	epoch      = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func drawTransaction(t *rapid.T, s Snapshot) specs.Transaction {
	tx := specs.Transaction{}
	for range rapid.IntRange(1, 5).Draw(t, "changes") {
		tx = append(tx, drawChange(t, s)...)
	}
	return tx
}

// drawChange draws one change, with the spec that it names beside it or not.
func drawChange(t *rapid.T, s Snapshot) specs.Transaction {
	task, _ := s.Task(anyOf(t, taskIDs))
	switch rapid.IntRange(0, 13).Draw(t, "kind") {
	case 0, 1:
		return withSpec(t, func(h specs.Hash) specs.Change {
			return specs.Change{Service: specs.Insert(anyOf(t, serviceIDs), specs.Service{Created: drawTime(t), Spec: drawService(t, h)})}
		})
	case 2:
		id := anyOf(t, serviceIDs)
		row, _ := s.Service(id)
		return withSpec(t, func(h specs.Hash) specs.Change {
			want := specs.ServiceWant{Spec: drawService(t, h), Removed: rapid.Bool().Draw(t, "removed")}
			return specs.Change{Spec: specs.Set(id, drawBase(t, row.SpecVersion), want)}
		})
	case 3:
		id := anyOf(t, serviceIDs)
		row, _ := s.Service(id)
		return specs.Transaction{{Rollout: specs.Set(id, drawBase(t, row.RolloutVersion),
			specs.Rollout{Target: row.Spec.Task, Completed: drawHash(t)})}}
	case 4:
		id := anyOf(t, serviceIDs)
		row, _ := s.Service(id)
		return specs.Transaction{{Service: specs.Remove[specs.Service](id, drawBase(t, row.SpecVersion))}}
	case 5, 6:
		return withSpec(t, func(h specs.Hash) specs.Change {
			return specs.Change{Task: specs.Insert(anyOf(t, taskIDs), specs.Task{
				ServiceID: anyOf(t, serviceIDs), Slot: rapid.Uint64Range(1, 3).Draw(t, "slot"), Spec: h,
				Created: drawTime(t), Want: drawWant(t),
			})}
		})
	case 7:
		return specs.Transaction{{TaskWant: specs.Set(task.ID, drawBase(t, task.WantVersion), drawWant(t))}}
	case 8:
		state := rapid.SampledFrom([]specs.State{specs.StateAccepted, specs.StateRunning, specs.StateFailed}).Draw(t, "state")
		return specs.Transaction{{TaskSeen: specs.Set(task.ID, drawBase(t, task.SeenVersion), specs.TaskSeen{State: state})}}
	case 9:
		return specs.Transaction{{Task: specs.Remove[specs.Task](task.ID, drawBase(t, task.WantVersion))}}
	case 10:
		return specs.Transaction{{Node: specs.Insert(anyOf(t, nodeIDs), specs.Node{Created: drawTime(t)})}}
	case 11:
		id := anyOf(t, nodeIDs)
		row, _ := s.Node(id)
		return specs.Transaction{{NodeSeen: specs.Set(id, drawBase(t, row.SeenVersion), specs.NodeSeen{Status: specs.NodeReady})}}
	case 12:
		id := anyOf(t, names)
		row, _ := s.Ref(id)
		return specs.Transaction{{Ref: specs.Set(id, drawBase(t, row.Version), specs.Ref{Commit: fmt.Sprint(s.Index())})}}
	}
	row, _ := s.Revision("r1")
	return specs.Transaction{{RevisionProgress: specs.Set("r1", drawBase(t, row.ProgressVersion), specs.RevisionProgress{State: specs.RevisionHealthy})},
		{Revision: specs.Insert("r2", specs.Revision{Created: drawTime(t)})}}
}

func anyOf(t *rapid.T, from []string) string { return rapid.SampledFrom(from).Draw(t, "id") }

func drawBase(t *rapid.T, right uint64) uint64 {
	if rapid.IntRange(0, 9).Draw(t, "luck") == 0 {
		return right + 1
	}
	return right
}

func drawTime(t *rapid.T) time.Time {
	return epoch.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "age")) * time.Second)
}

func drawHash(t *rapid.T) specs.Hash {
	return encoding.HashTaskSpec(rapid.SampledFrom(taskSpecs).Draw(t, "spec"))
}

func withSpec(t *rapid.T, change func(specs.Hash) specs.Change) specs.Transaction {
	spec := rapid.SampledFrom(taskSpecs).Draw(t, "spec")
	named := change(encoding.HashTaskSpec(spec))
	if rapid.IntRange(0, 4).Draw(t, "bring") == 0 {
		return specs.Transaction{named}
	}
	return specs.Transaction{{TaskSpec: &spec}, named}
}

func drawService(t *rapid.T, h specs.Hash) specs.ServiceSpec {
	return specs.ServiceSpec{Name: anyOf(t, names), Stack: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "stack"), Task: h}
}

func drawWant(t *rapid.T) specs.TaskWant {
	return specs.TaskWant{
		Desired: rapid.SampledFrom([]specs.State{specs.StateReady, specs.StateRunning, specs.StateShutdown}).Draw(t, "desired"),
		Node:    rapid.SampledFrom([]string{"", "n1", "n2"}).Draw(t, "node"),
	}
}
