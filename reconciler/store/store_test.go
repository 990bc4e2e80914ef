package store

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

func TestStoreProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, replay := New(), New()
		held := map[specs.Hash]Snapshot{}
		for index := range rapid.Uint64Range(1, 25).Draw(t, "entries") {
			before := s.Snapshot()
			held[before.Digest()] = before
			txs := []specs.Transaction{drawTransaction(t, before), drawTransaction(t, before)}
			index++

			errs := s.Apply(index, txs)
			after := s.Snapshot()
			refusedLeavesNothing(t, before, after, index, txs, errs)
			indexesAgreeWithAScan(t, after)
			countsAgreeWithARecount(t, after)
			sameAfterSaveAndRestore(t, after)
			for _, err := range errs {
				if err != nil && !errors.Is(err, ErrConflict) {
					t.Fatalf("%v is no conflict", err)
				}
			}
			replay.Apply(index, overTheWire(t, txs))
			if replay.Digest() != s.Digest() {
				t.Fatal("two stores differ after the same entries")
			}
		}
		for digest, snapshot := range held {
			if snapshot.Digest() != digest {
				t.Fatalf("the snapshot at %d has changed", snapshot.Index())
			}
		}
	})
}

// refusedLeavesNothing: an entry with a refused transaction leaves what the same
// entry without it leaves.
func refusedLeavesNothing(t *rapid.T, before, after Snapshot, index uint64, txs []specs.Transaction, errs []error) {
	t.Helper()
	draft := before.Draft(index)
	for i, tx := range txs {
		if errs[i] == nil {
			if err := draft.Apply(tx); err != nil {
				t.Fatalf("a transaction needs a refused one: %v", err)
			}
		}
	}
	if draft.Digest() != after.Digest() {
		t.Fatal("a refused transaction left something")
	}
}

func overTheWire(t *rapid.T, txs []specs.Transaction) (read []specs.Transaction) {
	t.Helper()
	data, err := encoding.Marshal(txs)
	if err != nil {
		t.Fatal(err)
	}
	if err := encoding.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func sameAfterSaveAndRestore(t *rapid.T, s Snapshot) {
	t.Helper()
	restored, err := saveAndRestore(s)
	if err != nil {
		t.Fatal(err)
	}
	if restored.Digest() != s.Digest() || restored.Index() != s.Index() {
		t.Fatal("the restored store is another")
	}
	indexesAgreeWithAScan(t, restored)
	countsAgreeWithARecount(t, restored)
}

func saveAndRestore(s Snapshot) (Snapshot, error) {
	var buf bytes.Buffer
	if err := s.Save(encoding.NewEncoder(&buf)); err != nil {
		return Snapshot{}, err
	}
	restored := New()
	err := restored.Restore(encoding.NewDecoder(&buf))
	return restored.Snapshot(), err
}

func indexesAgreeWithAScan(t *rapid.T, s Snapshot) {
	t.Helper()
	byAge := func(a, b specs.Task) int {
		return cmp.Or(a.SlotID().Compare(b.SlotID()), a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	}
	for _, id := range serviceIDs {
		want := filter(s.Tasks(), func(r specs.Task) bool { return r.ServiceID == id })
		slices.SortFunc(want, byAge)
		same(t, "tasks of "+id, slices.Collect(s.TasksOf(id)), want)
	}
	for _, id := range nodeIDs {
		same(t, "tasks on "+id, slices.Collect(s.TasksOn(id)), filter(s.Tasks(), func(r specs.Task) bool { return r.Want.Node == id }))
	}
	same(t, "unassigned tasks", slices.Collect(s.UnassignedTasks()),
		filter(s.Tasks(), func(r specs.Task) bool { return r.Want.Node == "" && r.Wanted() }))
	for _, stack := range []string{"a", "b"} {
		want := filter(s.Services(), func(r specs.Service) bool { return r.Spec.Stack == stack })
		slices.SortFunc(want, func(a, b specs.Service) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
		same(t, "services of "+stack, slices.Collect(s.ServicesOf(stack)), want)
	}
	if s.t.serviceNames.m.Len() != s.t.services.m.Len() {
		t.Fatal("names and services differ in number")
	}
	for row := range s.Services() {
		if found, ok := s.ServiceNamed(strings.ToUpper(row.Spec.Name)); !ok || found.ID != row.ID {
			t.Fatalf("service %s is not found by its name", row.Spec.Name)
		}
	}
}

func countsAgreeWithARecount(t *rapid.T, s Snapshot) {
	t.Helper()
	want := map[specs.Hash]int{}
	for row := range s.Services() {
		for _, h := range row.TaskSpecs() {
			want[h]++
		}
	}
	for row := range s.Tasks() {
		want[row.Spec]++
	}
	delete(want, "")
	got := map[specs.Hash]int{}
	for row := range s.t.taskSpecs.rows() {
		got[row.hash] = row.refs
	}
	same(t, "references", got, want)
	payloadCountsAgreeWithARecount(t, s)
}

// payloadCountsAgreeWithARecount also says that no version stays that nobody
// names, and none goes that somebody does.
func payloadCountsAgreeWithARecount(t *rapid.T, s Snapshot) {
	t.Helper()
	want := map[specs.Hash]int{}
	for row := range s.t.taskSpecs.rows() {
		for _, ref := range row.spec.FileRefs {
			want[ref.Version]++
		}
	}
	for row := range s.Externals() {
		want[row.Payload]++
	}
	got := map[specs.Hash]int{}
	for row := range s.t.payloads.rows() {
		got[row.payload.Version] = row.refs
	}
	same(t, "references of payloads", got, want)
}

func filter[T any](rows func(func(T) bool), keep func(T) bool) (kept []T) {
	for row := range rows {
		if keep(row) {
			kept = append(kept, row)
		}
	}
	return kept
}

func same[T any](t *rapid.T, what string, got, want T) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: (-scan +index)\n%s", what, diff)
	}
}

// spec is the task spec of the tables below.
var (
	spec = specs.TaskSpec{Image: "nginx"}
	hash = encoding.HashTaskSpec(spec)
)

// small has service s1 (shop_web), its task t1 on n1, and s2, removed.
func small(t *testing.T) *Store {
	t.Helper()
	s := New()
	web := specs.ServiceSpec{Name: "shop_web", Stack: "shop", Task: hash}
	db := specs.ServiceSpec{Name: "shop_db", Stack: "shop", Task: hash}
	apply(t, s, 1, specs.Transaction{
		{TaskSpec: &spec},
		{Service: specs.Insert("s1", specs.Service{Spec: web})},
		{Service: specs.Insert("s2", specs.Service{Spec: db, Removed: true})},
		{Node: specs.Insert("n1", specs.Node{})},
	})
	apply(t, s, 2, specs.Transaction{{Task: specs.Insert("t1", specs.Task{
		ServiceID: "s1", Slot: 1, Spec: hash, Want: specs.TaskWant{Desired: specs.StateRunning, Node: "n1"},
	})}})
	apply(t, s, 3, specs.Transaction{{TaskSeen: specs.Set("t1", 0, specs.TaskSeen{State: specs.StateRunning})}})
	return s
}

func apply(t *testing.T, s *Store, index uint64, tx specs.Transaction) {
	t.Helper()
	if err := s.Apply(index, []specs.Transaction{tx})[0]; err != nil {
		t.Fatal(err)
	}
}

func TestConflicts(t *testing.T) {
	named := func(name string) specs.ServiceSpec { return specs.ServiceSpec{Name: name, Task: hash} }
	running := specs.TaskWant{Desired: specs.StateRunning, Node: "n1"}
	for name, c := range map[string]struct {
		change specs.Change
		want   string // in the conflict; empty is none
	}{
		"nothing":                  {specs.Change{}, "changes nothing"},
		"right base":               {specs.Change{TaskWant: specs.Set("t1", 2, running)}, ""},
		"overtaken base":           {specs.Change{TaskWant: specs.Set("t1", 1, running)}, "version 2, the change was made for 1"},
		"missing row":              {specs.Change{TaskWant: specs.Set("t9", 2, running)}, "task t9 is gone"},
		"row exists":               {specs.Change{Node: specs.Insert("n1", specs.Node{})}, "node n1 exists already"},
		"row of another name":      {specs.Change{Node: specs.Insert("n2", specs.Node{ID: "n3"})}, "calls itself"},
		"removal without a base":   {specs.Change{Node: specs.Remove[specs.Node]("n1", 0)}, "must name the version"},
		"whole row twice":          {specs.Change{Node: specs.Set("n1", 1, specs.Node{})}, "created once"},
		"a group removed":          {specs.Change{NodeSeen: specs.Remove[specs.NodeSeen]("n1", 0)}, "cannot be removed"},
		"cluster's base":           {specs.Change{Cluster: &specs.Cluster{Version: 4}}, "version 0"},
		"missing spec of service":  {specs.Change{Service: specs.Insert("s3", specs.Service{Spec: specs.ServiceSpec{Name: "x", Task: "77"}})}, "task spec 77 is not stored"},
		"missing spec of task":     {specs.Change{Task: specs.Insert("t2", specs.Task{ServiceID: "s1", Spec: "77"})}, "task spec 77 is not stored"},
		"service without spec":     {specs.Change{Service: specs.Insert("s3", specs.Service{})}, "names no task spec"},
		"task of nobody":           {specs.Change{Task: specs.Insert("t2", specs.Task{ServiceID: "s9", Spec: hash})}, "service s9 is gone"},
		"name taken":               {specs.Change{Service: specs.Insert("s3", specs.Service{Spec: named("SHOP_web")})}, "name is taken by service shop_web"},
		"own name in another case": {specs.Change{Spec: specs.Set("s1", 1, specs.ServiceWant{Spec: named("SHOP_web")})}, ""},
		"task moves":               {specs.Change{TaskWant: specs.Set("t1", 2, specs.TaskWant{Desired: specs.StateRunning, Node: "n2"})}, "never moves"},
		"desired goes back":        {specs.Change{TaskWant: specs.Set("t1", 2, specs.TaskWant{Desired: specs.StateReady, Node: "n1"})}, "cannot go back to ready"},
		"forget a wanted service":  {specs.Change{Service: specs.Remove[specs.Service]("s1", 1)}, "is not removed"},
		"forget a removed service": {specs.Change{Service: specs.Remove[specs.Service]("s2", 1)}, ""},
		"late status":              {specs.Change{TaskSeen: specs.Set("t1", 0, specs.TaskSeen{State: specs.StateStarting})}, ""},
		"status of another base":   {specs.Change{TaskSeen: specs.Set("t1", 0, specs.TaskSeen{State: specs.StateFailed})}, "version 3"},
	} {
		t.Run(name, func(t *testing.T) {
			s := small(t)
			before := s.Digest()
			err := s.Apply(9, []specs.Transaction{{c.change}})[0]
			if c.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want a conflict that says %q", err, c.want)
			}
			if s.Digest() != before {
				t.Error("the refused change left something")
			}
		})
	}
}

func TestALateStatusIsDropped(t *testing.T) {
	s := small(t)
	apply(t, s, 4, specs.Transaction{{TaskSeen: specs.Set("t1", 3, specs.TaskSeen{State: specs.StateStarting})}})
	task, _ := s.Snapshot().Task("t1")
	if task.State() != specs.StateRunning || task.SeenVersion != 3 {
		t.Errorf("task is %s at version %d, want it running at 3", task.State(), task.SeenVersion)
	}
}

func TestAServiceWithTasksIsNotForgotten(t *testing.T) {
	s := small(t)
	web, _ := s.Snapshot().Service("s1")
	apply(t, s, 4, specs.Transaction{{Spec: specs.Set("s1", 1, specs.ServiceWant{Spec: web.Spec, Removed: true})}})
	forget := specs.Change{Service: specs.Remove[specs.Service]("s1", 4)}
	if err := s.Apply(5, []specs.Transaction{{forget}})[0]; !errors.Is(err, ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	apply(t, s, 6, specs.Transaction{{Task: specs.Remove[specs.Task]("t1", 2)}, forget})
	if _, ok := s.Snapshot().Service("s1"); ok {
		t.Error("the service is still there")
	}
	if _, ok := s.Snapshot().TaskSpec(hash); !ok {
		t.Error("the spec that s2 names is gone")
	}
	apply(t, s, 7, specs.Transaction{{Service: specs.Remove[specs.Service]("s2", 1)}})
	if _, ok := s.Snapshot().TaskSpec(hash); ok {
		t.Error("the spec that nobody names is still there")
	}
}

func TestDraftIsALiveViewAndFrozenIsNot(t *testing.T) {
	draft := small(t).Snapshot().Draft(4)
	live, frozen := draft.Snapshot, draft.Frozen()
	if err := draft.Apply(specs.Transaction{{Cluster: &specs.Cluster{Name: "c"}}, {Ref: specs.Insert("r", specs.Ref{})}}); err != nil {
		t.Fatal(err)
	}
	if _, ok := live.Ref("r"); !ok || live.Cluster().Name != "c" {
		t.Error("the live view does not show the change")
	}
	if _, ok := frozen.Ref("r"); ok || frozen.Cluster().Name != "" {
		t.Error("the frozen copy shows the change")
	}
}

func TestDraftsOfOneSnapshotAreIndependent(t *testing.T) {
	snapshot := small(t).Snapshot()
	done := make(chan specs.Hash)
	for range 4 {
		go func() {
			draft := snapshot.Draft(4)
			if err := draft.Apply(specs.Transaction{{Task: specs.Remove[specs.Task]("t1", 2)}}); err != nil {
				t.Error(err)
			}
			done <- draft.Digest()
		}()
	}
	first := <-done
	for range 3 {
		if <-done != first {
			t.Error("drafts differ")
		}
	}
	if _, ok := snapshot.Task("t1"); !ok {
		t.Error("the snapshot has changed")
	}
}

func TestFeed(t *testing.T) {
	s := small(t)
	feed := s.Subscribe()
	<-feed.Wait()
	if _, touched := feed.Take(); !touched.All {
		t.Error("the first look does not say all")
	}
	apply(t, s, 4, specs.Transaction{{TaskSeen: specs.Set("t1", 3, specs.TaskSeen{State: specs.StateFailed})}})
	apply(t, s, 5, specs.Transaction{{Task: specs.Remove[specs.Task]("t1", 2)}, {NodeSeen: specs.Set("n1", 0, specs.NodeSeen{})}})
	s.Apply(6, []specs.Transaction{{{Node: specs.Insert("n2", specs.Node{})}, {}}}) // refused
	<-feed.Wait()
	snapshot, touched := feed.Take()
	if touched.All || snapshot.Index() != 6 ||
		!slices.Equal(slices.Collect(maps.Keys(touched.Tasks)), []string{"t1"}) ||
		!slices.Equal(slices.Collect(maps.Keys(touched.Nodes)), []string{"n1"}) {
		t.Errorf("got %+v at %d", touched, snapshot.Index())
	}
	select {
	case <-feed.Wait():
		t.Error("the feed wakes for nothing")
	default:
	}

	var buf bytes.Buffer
	if err := small(t).Snapshot().Save(encoding.NewEncoder(&buf)); err != nil {
		t.Fatal(err)
	}
	_, watch := s.Watch()
	if err := s.Restore(encoding.NewDecoder(&buf)); err != nil {
		t.Fatal(err)
	}
	<-watch
	<-feed.Wait()
	if _, touched := feed.Take(); !touched.All {
		t.Error("a restore does not say all")
	}
	feed.Close()
	apply(t, s, 7, specs.Transaction{{Node: specs.Insert("n2", specs.Node{})}})
	select {
	case <-feed.Wait():
		t.Error("a closed feed wakes")
	default:
	}
}

func TestRestoreRefusesWhatItDoesNotKnow(t *testing.T) {
	var good bytes.Buffer
	if err := small(t).Snapshot().Save(encoding.NewEncoder(&good)); err != nil {
		t.Fatal(err)
	}
	items := func(values ...any) []byte {
		var buf bytes.Buffer
		for _, v := range values {
			if err := encoding.NewEncoder(&buf).Encode(v); err != nil {
				t.Fatal(err)
			}
		}
		return buf.Bytes()
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, "read the format"},
		"format":         {items(Format+1, 1), "this swarmgit reads 1"},
		"field":          {items(Format, 1, map[string]any{"node": map[string]any{"id": "n1", "colour": "red"}}), "unknown field"},
		"kind of record": {items(Format, 1, map[string]any{"pod": 1}), "unknown field"},
		"cut":            {good.Bytes()[:good.Len()-10], "EOF"},
		"no end":         {items(Format, 1), "EOF"},
		"a record lost":  {items(Format, 1, map[string]any{"end": 2}), "written with 2 records and has 0"},
		"a spec lost":    {items(Format, 1, record{Task: &specs.Task{ID: "t", Spec: "77"}}), "task spec 77 is not stored"},
	} {
		t.Run(name, func(t *testing.T) {
			s := small(t)
			before := s.Digest()
			err := s.Restore(encoding.NewDecoder(bytes.NewReader(c.data)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
			if s.Digest() != before {
				t.Error("the store has changed")
			}
		})
	}
}
