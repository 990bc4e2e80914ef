package store

import (
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
	fileNames  = []string{"tls", "conf"}
	taskSpecs  = []specs.TaskSpec{
		{Image: "a"}, {Image: "b"},
		{Image: "c", Secrets: []specs.FileRef{{Name: "tls", Version: "v1", Target: "/run/secrets/tls"}}},
		{Image: "d", Secrets: []specs.FileRef{{Name: "tls", Version: "v1", Target: "/tls"}}, Configs: []specs.FileRef{{Name: "conf", Version: "v2", Target: "/conf"}}},
	}
	epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func drawTransaction(t *rapid.T, s Snapshot) specs.Transaction {
	tx := specs.Transaction{}
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		tx = append(tx, drawChange(t, s)...)
	}
	return tx
}

// drawChange draws one change, with the spec that it names beside it or not.
func drawChange(t *rapid.T, s Snapshot) specs.Transaction {
	return rapid.SampledFrom(kinds).Draw(t, "kind")(t, s)
}

var kinds = []func(*rapid.T, Snapshot) specs.Transaction{
	createService, createService, drawServiceWant, drawRollout, forgetService,
	createTask, createTask, createTask, drawTaskWant, drawTaskSeen, forgetTask,
	drawPayload, drawExternal, drawExternal,
	drawNode, drawNodeGroups, drawSmallRows, drawRevision,
}

func createService(t *rapid.T, s Snapshot) specs.Transaction {
	return withSpec(t, func(h specs.Hash) specs.Change {
		return specs.Change{Service: specs.Insert(anyOf(t, serviceIDs), specs.Service{Created: drawTime(t), Spec: drawService(t, h)})}
	})
}

func drawServiceWant(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, serviceIDs)
	row, _ := s.Service(id)
	return withSpec(t, func(h specs.Hash) specs.Change {
		want := specs.ServiceWant{Spec: drawService(t, h), Removed: rapid.Bool().Draw(t, "removed")}
		return specs.Change{Spec: specs.Set(id, drawBase(t, row.SpecVersion), want)}
	})
}

func drawRollout(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, serviceIDs)
	row, _ := s.Service(id)
	next := specs.Rollout{Target: row.Spec.Task, Completed: drawHash(t)}
	return specs.Transaction{{Rollout: specs.Set(id, drawBase(t, row.RolloutVersion), next)}}
}

func forgetService(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, serviceIDs)
	row, _ := s.Service(id)
	return specs.Transaction{{Service: specs.Remove[specs.Service](id, drawBase(t, row.SpecVersion))}}
}

func createTask(t *rapid.T, s Snapshot) specs.Transaction {
	return withSpec(t, func(h specs.Hash) specs.Change {
		return specs.Change{Task: specs.Insert(anyOf(t, taskIDs), specs.Task{
			ServiceID: anyOf(t, serviceIDs), Slot: rapid.Uint64Range(0, 2).Draw(t, "slot"), SlotNode: anyOf(t, []string{"", "n1", "n2"}), Spec: h,
			Created: drawTime(t), Want: drawWant(t),
		})}
	})
}

func drawTaskWant(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, taskIDs)
	row, _ := s.Task(id)
	want := drawWant(t)
	if row.Want.Node != "" && rapid.Bool().Draw(t, "stays") {
		want.Node = row.Want.Node
	}
	return specs.Transaction{{TaskWant: specs.Set(id, drawBase(t, row.WantVersion), want)}}
}

func drawTaskSeen(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, taskIDs)
	row, _ := s.Task(id)
	state := rapid.SampledFrom([]specs.State{specs.StateAccepted, specs.StateRunning, specs.StateFailed}).Draw(t, "state")
	return specs.Transaction{{TaskSeen: specs.Set(id, drawBase(t, row.SeenVersion), specs.TaskSeen{State: state})}}
}

func forgetTask(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, taskIDs)
	row, _ := s.Task(id)
	return specs.Transaction{{Task: specs.Remove[specs.Task](id, drawBase(t, row.WantVersion))}}
}

func drawPayload(t *rapid.T, _ Snapshot) specs.Transaction {
	return specs.Transaction{{Payload: payload(anyOf(t, []string{"v1", "v2"}))}}
}

func payload(version string) *specs.Payload {
	return &specs.Payload{Version: specs.Hash(version), Kind: specs.Secret, Data: []byte(version)}
}

func drawExternal(t *rapid.T, s Snapshot) specs.Transaction {
	name, version := anyOf(t, fileNames), anyOf(t, []string{"v1", "v2"})
	id := specs.ExternalID(specs.Secret, name)
	if row, there := s.External(specs.Secret, name); there {
		return specs.Transaction{{External: specs.Remove[specs.External](id, drawBase(t, row.Version))}}
	}
	create := specs.Change{External: specs.Insert(id, specs.External{Kind: specs.Secret, Name: name, Payload: specs.Hash(version)})}
	if rapid.IntRange(0, 4).Draw(t, "bring") == 0 {
		return specs.Transaction{create}
	}
	return specs.Transaction{{Payload: payload(version)}, create}
}

func drawNode(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, nodeIDs)
	row, there := s.Node(id)
	if there {
		return specs.Transaction{{Node: specs.Remove[specs.Node](id, drawBase(t, row.SpecVersion))}}
	}
	return specs.Transaction{{Node: specs.Insert(id, specs.Node{Created: drawTime(t)})}}
}

func drawNodeGroups(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, nodeIDs)
	row, _ := s.Node(id)
	return specs.Transaction{
		{NodeSpec: specs.Set(id, drawBase(t, row.SpecVersion), specs.NodeSpec{Labels: map[string]string{"zone": "b"}})},
		{NodeSeen: specs.Set(id, drawBase(t, row.SeenVersion), specs.NodeSeen{Status: specs.NodeReady, Since: drawTime(t)})},
	}
}

func drawSmallRows(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, names)
	ref, _ := s.Ref(id)
	stack, _ := s.Stack(id)
	source, _ := s.Source(id)
	review, _ := s.Review(id)
	return specs.Transaction{
		{Cluster: &specs.Cluster{ID: id, Version: drawBase(t, s.Cluster().Version)}},
		{Ref: specs.Set(id, drawBase(t, ref.Version), specs.Ref{Commit: id})},
		{Stack: specs.Set(id, stack.Version, specs.StackRow{Source: id})},
		{Source: specs.Set(id, source.Version, specs.Source{Branch: id})},
		{Authority: &specs.Authority{External: []string{id}, Version: drawBase(t, s.Authority().Version)}},
		{Review: specs.Set(id, review.Version, specs.Review{Commit: id, Plan: []byte(id)})},
	}[:rapid.IntRange(1, 6).Draw(t, "rows")]
}

func drawRevision(t *rapid.T, s Snapshot) specs.Transaction {
	id := anyOf(t, []string{"r1", "r2"})
	row, there := s.Revision(id)
	switch base := drawBase(t, row.ProgressVersion); {
	case !there:
		return specs.Transaction{{Revision: specs.Insert(id, specs.Revision{Created: drawTime(t)})}}
	case rapid.Bool().Draw(t, "prune"):
		return specs.Transaction{{Revision: specs.Remove[specs.Revision](id, base)}}
	default:
		return specs.Transaction{{RevisionProgress: specs.Set(id, base, specs.RevisionProgress{State: specs.RevisionHealthy})}}
	}
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
	tx := specs.Transaction{}
	for _, ref := range spec.FileRefs {
		if rapid.IntRange(0, 4).Draw(t, "bring") > 0 {
			tx = append(tx, specs.Change{Payload: payload(string(ref.Version))})
		}
	}
	return append(tx, specs.Change{TaskSpec: &spec}, named)
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
