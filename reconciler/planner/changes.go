package planner

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// Changes returns what makes the stacks of a source what is wanted: task specs,
// services that are new or differ, Removed for services that are wanted no more,
// and the rows of the stacks that change, which then name the revision. Wanting
// what is there already gives nothing, also after an operator restarted a service.
//
// It is one transaction: a push is one decision, and the caller adds the ref and
// the revision to it. A conflict can only come of another push, or of a service
// that was forgotten meanwhile; the caller looks again and plans anew.
//
// A stack or a service that must not be touched is left out and told in refused;
// a caller that acts on a transaction with refusals breaks ownership.
func Changes(present store.Snapshot, source, revision string, wanted []specs.Stack,
	newID func() string, now time.Time) (tx specs.Transaction, refused []specs.Problem) {
	c := comparison{
		present: present, source: source, revision: revision, now: now,
		wanted: make(map[string]specs.Stack), names: make(map[string]string),
	}
	c.claim(withRestarts(present, wanted))
	c.drawIDs(newID)
	for _, name := range slices.Sorted(maps.Keys(c.wanted)) {
		c.put(c.wanted[name])
	}
	c.removeUnwanted()
	c.touchStacks()
	return slices.Concat(c.taskSpecs(), c.tx), c.refused
}

// comparison is Changes at work.
type comparison struct {
	present  store.Snapshot
	source   string
	revision string
	now      time.Time

	wanted  map[string]specs.Stack // by name, without what is refused
	names   map[string]string      // folded service name -> stack that wants it
	changed []string               // names of stacks, with repetitions
	ids     []string               // of new services, ascending
	tasks   map[specs.Hash]specs.TaskSpec

	payloads map[specs.Hash]specs.Payload

	tx      specs.Transaction
	refused []specs.Problem
}

// claim takes the stacks that the source may define.
func (c *comparison) claim(stacks []specs.Stack) {
	for _, stack := range stacks {
		row, exists := c.present.Stack(stack.Name)
		_, twice := c.wanted[stack.Name]
		switch {
		case twice:
			c.refuse(stack, "", "stack %s is defined twice: keep one of the two", stack.Name)
		case exists && row.Source != c.source && row.Source != "":
			c.refuse(stack, "", "stack %s belongs to the source %q: remove it there first, or take it over: swarmgit source adopt %s --source %s",
				stack.Name, row.Source, stack.Name, c.source)
		default:
			c.wanted[stack.Name] = stack
		}
	}
}

// drawIDs makes an ID for every new service. They ascend as the names do: a pass
// looks at services by ID, and that order shall not depend on chance, or a plan
// could not tell which of two services gets the last free node.
func (c *comparison) drawIDs(newID func() string) {
	for _, stack := range c.wanted {
		for _, want := range stack.Services {
			if _, exists := c.present.ServiceNamed(want.Name); !exists {
				c.ids = append(c.ids, newID())
			}
		}
	}
	slices.Sort(c.ids)
}

// put creates and changes the services of one stack.
func (c *comparison) put(stack specs.Stack) {
	if row, exists := c.present.Stack(stack.Name); !exists || row.Source != c.source {
		c.changed = append(c.changed, stack.Name)
	}
	for _, want := range sortedServices(stack) {
		if c.take(stack, want) {
			c.putService(stack, want)
		}
	}
}

// take reserves the service's name in the cluster, or refuses it.
func (c *comparison) take(stack specs.Stack, want specs.ServiceSpec) bool {
	name, path := fold(want.Name), "services."+want.ShortName()
	if other, taken := c.names[name]; taken {
		c.refuse(stack, path, "the service name %s is taken by stack %s: rename one of them", want.Name, other)
		return false
	}
	c.names[name] = stack.Name
	svc, exists := c.present.ServiceNamed(want.Name)
	if owner, _ := c.present.Stack(svc.Spec.Stack); exists && owner.Source != "" && owner.Source != c.source {
		c.refuse(stack, path, "the service name %s is taken by stack %s of the source %q: rename one of them",
			want.Name, owner.Name, owner.Source)
		return false
	}
	return true
}

func (c *comparison) putService(stack specs.Stack, want specs.ServiceSpec) {
	svc, exists := c.present.ServiceNamed(want.Name)
	switch {
	case !exists:
		id := c.ids[0]
		c.ids = c.ids[1:]
		c.add(stack.Name, specs.Change{Service: specs.Insert(id, specs.Service{ID: id, Created: c.now, Spec: want})})
	case svc.Removed || !sameSpec(svc.Spec, want):
		c.add(stack.Name, specs.Change{Spec: specs.Set(svc.ID, svc.SpecVersion, specs.ServiceWant{Spec: want})})
	default:
		return
	}
	if task, ok := stack.Tasks[want.Task]; ok && svc.Spec.Task != want.Task {
		c.addTask(want.Task, task)
		c.addPayloads(stack, task)
	}
}

// removeUnwanted marks the services of the source's stacks that nobody wants.
func (c *comparison) removeUnwanted() {
	for row := range c.present.Stacks() {
		if _, wanted := c.wanted[row.Name]; !wanted && row.Source != c.source {
			continue
		}
		for svc := range c.present.ServicesOf(row.Name) {
			if _, wanted := c.names[fold(svc.Spec.Name)]; wanted || svc.Removed {
				continue
			}
			want := specs.ServiceWant{Spec: svc.Spec, Removed: true}
			c.add(row.Name, specs.Change{Spec: specs.Set(svc.ID, svc.SpecVersion, want)})
		}
	}
}

// touchStacks writes the rows of the stacks that changed, and removes the rows
// of those that are wanted no more. Their services follow when they have stopped.
func (c *comparison) touchStacks() {
	slices.Sort(c.changed)
	for _, name := range slices.Compact(c.changed) {
		if _, wanted := c.wanted[name]; !wanted {
			continue
		}
		old, _ := c.present.Stack(name)
		row := specs.StackRow{Name: name, Source: c.source, Revision: c.revision}
		c.tx = append(c.tx, specs.Change{Stack: specs.Set(name, old.Version, row)})
	}
	for row := range c.present.Stacks() {
		if _, wanted := c.wanted[row.Name]; !wanted && row.Source == c.source {
			c.tx = append(c.tx, specs.Change{Stack: specs.Remove[specs.StackRow](row.Name, row.Version)})
		}
	}
}

func (c *comparison) add(stack string, change specs.Change) {
	c.changed = append(c.changed, stack)
	c.tx = append(c.tx, change)
}

func (c *comparison) addTask(h specs.Hash, task specs.TaskSpec) {
	if c.tasks == nil {
		c.tasks = make(map[specs.Hash]specs.TaskSpec)
	}
	c.tasks[h] = task
}

// addPayloads brings the versions of secrets and configs that the cluster lacks.
func (c *comparison) addPayloads(stack specs.Stack, task specs.TaskSpec) {
	for _, ref := range task.FileRefs {
		payload, ok := stack.Payloads[ref.Version]
		if _, stored := c.present.Payload(ref.Version); !ok || stored {
			continue
		}
		if c.payloads == nil {
			c.payloads = make(map[specs.Hash]specs.Payload)
		}
		c.payloads[ref.Version] = payload
	}
}

// taskSpecs puts the specs that the changed services refer to, before them, and
// before these the secrets and configs that they refer to.
func (c *comparison) taskSpecs() specs.Transaction {
	var tx specs.Transaction
	for _, version := range slices.Sorted(maps.Keys(c.payloads)) {
		payload := c.payloads[version]
		tx = append(tx, specs.Change{Payload: &payload})
	}
	for _, h := range slices.Sorted(maps.Keys(c.tasks)) {
		task := c.tasks[h]
		tx = append(tx, specs.Change{TaskSpec: &task})
	}
	return tx
}

func (c *comparison) refuse(stack specs.Stack, path, format string, args ...any) {
	c.refused = append(c.refused, specs.Problem{
		Position: position(stack, path), Path: path, Message: fmt.Sprintf(format, args...),
	})
}

// position is where the path of a stack was written, or else where the stack
// begins.
func position(stack specs.Stack, path string) specs.Position {
	if p, ok := stack.Origins.Find(path); ok {
		return p
	}
	if len(stack.Origins) == 0 {
		return specs.Position{}
	}
	first := slices.MinFunc(slices.Collect(maps.Values(stack.Origins)), specs.Position.Compare)
	return specs.Position{File: first.File}
}

func sortedServices(stack specs.Stack) []specs.ServiceSpec {
	return slices.SortedFunc(slices.Values(stack.Services), func(a, b specs.ServiceSpec) int {
		return cmp.Compare(a.Name, b.Name)
	})
}

// fold makes names comparable: they are unique whatever their case.
func fold(name string) string { return strings.ToLower(name) }

// sameSpec compares as the store would encode, so that nil and empty are one.
func sameSpec(a, b specs.ServiceSpec) bool { return bytes.Equal(encode(a), encode(b)) }

func encode(s specs.ServiceSpec) []byte {
	data, err := encoding.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("encode service spec %s: %v", s.Name, err)) // plain values always encode
	}
	return data
}
