package planner

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fataler is what testing.TB and rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is a cluster at one moment. Its methods fail the test when the store
// refuses what they do.
type world struct {
	fataler
	snap store.Snapshot
	now  time.Time
	ids  int
}

// newWorld has so many nodes n1, n2, ... of 4 CPUs and 4 GiB, alternately in
// the zones a and b.
func newWorld(t fataler, nodes int) *world {
	w := &world{fataler: t, snap: store.New().Snapshot(), now: epoch}
	tx := specs.Transaction{{Cluster: &specs.Cluster{ID: "c", Name: "prod", Key: []byte("a key of the cluster")}}}
	for i := range nodes {
		tx = append(tx, specs.Change{Node: specs.Insert(nodeID(i+1), specs.Node{
			ID:   nodeID(i + 1),
			Spec: specs.NodeSpec{Role: specs.Worker, Labels: map[string]string{"zone": string(rune('a' + i%2))}},
			Seen: specs.NodeSeen{Status: specs.NodeReady, Description: specs.NodeDescription{
				Hostname: fmt.Sprintf("n%d", i+1), Resources: specs.Resources{CPUs: 4_000_000_000, Memory: 4 << 30},
				Runtimes: []string{""},
			}},
		})})
	}
	w.apply(tx)
	return w
}

func nodeID(i int) string { return fmt.Sprintf("node-%04d", i) }

func (w *world) newID() string {
	w.ids++
	return fmt.Sprintf("w%0*d", specs.IDLength-1, w.ids)
}

func (w *world) apply(tx specs.Transaction) {
	w.Helper()
	draft := w.snap.Draft(w.snap.Index() + 1)
	if err := draft.Apply(tx); err != nil {
		w.Fatalf("%v", err)
	}
	w.snap = draft.Frozen()
}

// push applies the wanted stacks and lets the cluster settle.
func (w *world) push(stacks ...specs.Stack) {
	w.Helper()
	tx, refused := Changes(w.snap, specs.MainSource, "rev", stacks, w.newID, w.now)
	if len(refused) > 0 {
		w.Fatalf("refused: %v", refused)
	}
	w.settle(tx)
}

// settle applies the transaction and lets healthy workers do the rest.
func (w *world) settle(tx specs.Transaction) {
	w.Helper()
	s := newSimulation(w.snap, w.now)
	s.newID = w.newID
	s.run(tx)
	w.snap, w.now = s.snap, s.now.Add(time.Second)
}

func (w *world) plan(stacks ...specs.Stack) Plan { return Make(w.input(stacks...)) }

func (w *world) input(stacks ...specs.Stack) Input {
	return Input{
		Present: w.snap, Source: specs.MainSource, Wanted: stacks, Now: w.now,
		Title: "over 1f0c9aa", Revision: "7bd31c2", Base: "1f0c9aa",
	}
}

// stack makes a stack of services. Each is written in ten lines of its file.
func stack(name string, services ...service) specs.Stack {
	s := specs.Stack{Name: name, Tasks: make(map[specs.Hash]specs.TaskSpec), Origins: make(specs.Origins)}
	for i, svc := range services {
		rules := specs.ServiceSpec{Name: name + "_" + svc.name, Stack: name}
		task := specs.TaskSpec{Image: "registry.example/" + svc.name + ":1"}
		for _, option := range svc.options {
			option(&rules, &task)
		}
		rules.Task = encoding.HashTaskSpec(task)
		s.Services, s.Tasks[rules.Task] = append(s.Services, rules), task
		for j, path := range []string{"", ".image", ".deploy.replicas", ".environment", ".deploy.labels"} {
			s.Origins["services."+svc.name+path] = specs.Position{
				File: "stacks/" + name + "/stack.yml", Line: 10*i + 3 + j, Column: 5,
			}
		}
	}
	slices.SortFunc(s.Services, func(a, b specs.ServiceSpec) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

type option func(*specs.ServiceSpec, *specs.TaskSpec)

type service struct {
	name    string
	options []option
}

func svc(name string, options ...option) service { return service{name, options} }

func replicas(n uint64) option {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Replicas = &n }
}

func global(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Mode, s.Replicas = specs.Global, nil }

func parallelism(n uint64) option {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Update.Parallelism = &n }
}

func constraint(text string) option {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) {
		s.Placement.Constraints = append(s.Placement.Constraints, text)
	}
}

func label(name, value string) option {
	return func(s *specs.ServiceSpec, _ *specs.TaskSpec) { s.Labels = map[string]string{name: value} }
}

func image(name string) option {
	return func(_ *specs.ServiceSpec, t *specs.TaskSpec) { t.Image = name }
}

func env(pair string) option {
	return func(_ *specs.ServiceSpec, t *specs.TaskSpec) { t.Env = append(t.Env, pair) }
}

func memory(size specs.Bytes) option {
	return func(_ *specs.ServiceSpec, t *specs.TaskSpec) { t.Reservations.Memory = size }
}
