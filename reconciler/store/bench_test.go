package store

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

const (
	benchTasks = 100_000
	benchBatch = 500 // statuses in one entry, as a dispatcher sends them
)

func taskID(i int) string { return fmt.Sprintf("%025d", i) }

// crowded has 100,000 tasks of 100 services on 1,000 nodes, read from bytes as
// Raft's entries are.
func crowded(b *testing.B) *Store {
	b.Helper()
	s := New()
	tx := specs.Transaction{{TaskSpec: &spec}}
	for i := range 1000 {
		tx = append(tx, specs.Change{Node: specs.Insert(taskID(i), specs.Node{})})
	}
	for i := range 100 {
		tx = append(tx, specs.Change{Service: specs.Insert(taskID(i), specs.Service{Spec: specs.ServiceSpec{Name: fmt.Sprint("shop_", i), Task: hash}})})
	}
	applyRead(b, s, 1, tx)
	tx = nil
	for i := range benchTasks {
		tx = append(tx, specs.Change{Task: specs.Insert(taskID(i), specs.Task{
			ServiceID: taskID(i % 100), ServiceName: fmt.Sprint("shop_", i%100), Slot: uint64(i/100 + 1), Spec: hash,
			Created: epoch, Want: specs.TaskWant{Desired: specs.StateRunning, Node: taskID(i % 1000), Since: epoch},
		})})
	}
	applyRead(b, s, 2, tx)
	return s
}

func applyRead(b *testing.B, s *Store, index uint64, tx specs.Transaction) {
	b.Helper()
	data, err := encoding.Marshal(tx)
	if err != nil {
		b.Fatal(err)
	}
	var read specs.Transaction
	if err := encoding.Unmarshal(data, &read); err != nil {
		b.Fatal(err)
	}
	for _, err := range s.Apply(index, []specs.Transaction{read}) {
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryOfATask(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := crowded(b)
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		s.Snapshot()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchTasks, "B/task")
	runtime.KeepAlive(s)
}

func BenchmarkApplyStatuses(b *testing.B) {
	s := crowded(b)
	index, next := uint64(2), 0
	for b.Loop() {
		index++
		b.StopTimer()
		snapshot := s.Snapshot()
		txs := make([]specs.Transaction, benchBatch)
		for j := range txs {
			id := taskID(next * 7919 % benchTasks) // far apart, as reports are
			row, _ := snapshot.Task(id)
			txs[j] = specs.Transaction{{TaskSeen: specs.Set(id, row.SeenVersion, specs.TaskSeen{State: specs.StateRunning, Since: epoch})}}
			next++
		}
		b.StartTimer()
		for _, err := range s.Apply(index, txs) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchBatch), "ns/status")
}

func BenchmarkScanTasks(b *testing.B) {
	s := crowded(b)
	for b.Loop() {
		running := 0
		for task := range s.Snapshot().Tasks() {
			if task.Wanted() {
				running++
			}
		}
		if running != benchTasks {
			b.Fatal(running)
		}
	}
}

func BenchmarkTasksOfAService(b *testing.B) {
	s := crowded(b)
	for b.Loop() {
		n := 0
		for range s.Snapshot().TasksOf(taskID(7)) {
			n++
		}
		if n != benchTasks/100 {
			b.Fatal(n)
		}
	}
}

// BenchmarkDraftAndRefuse is what a refused transaction costs: a draft and its
// way back.
func BenchmarkDraftAndRefuse(b *testing.B) {
	draft := crowded(b).Snapshot().Draft(3)
	tx := specs.Transaction{
		{TaskSeen: specs.Set(taskID(5), 0, specs.TaskSeen{State: specs.StateRunning})},
		{TaskSeen: specs.Set(taskID(6), 77, specs.TaskSeen{State: specs.StateRunning})},
	}
	for b.Loop() {
		if draft.Apply(tx) == nil {
			b.Fatal("not refused")
		}
	}
}

func BenchmarkSaveAndRestore(b *testing.B) {
	snapshot := crowded(b).Snapshot()
	for b.Loop() {
		if _, err := saveAndRestore(snapshot); err != nil {
			b.Fatal(err)
		}
	}
}
