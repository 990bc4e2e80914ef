package planner

import (
	"cmp"
	"slices"

	"github.com/swarmgit/swarmgit/specs"
)

// making is a plan under way.
type making struct {
	Input
	tx     specs.Transaction
	redact redactor
	end    ending
}

var rank = map[Action]int{Rolling: 1, InPlace: 2, Create: 3, Remove: 4}

// entries tells of every service that the transaction changes: restarts first,
// then changes in place, what is new, what is removed, each by name.
func (m making) entries() []Entry {
	var entries []Entry
	for _, change := range m.tx {
		switch {
		case change.Service != nil && change.Service.Value != nil:
			entries = append(entries, m.created(change.Service.ID, change.Service.Value.Spec))
		case change.Spec != nil && change.Spec.Value != nil:
			entries = append(entries, m.changed(change.Spec.ID, *change.Spec.Value))
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(rank[a.Action], rank[b.Action]), cmp.Compare(a.Service, b.Service))
	})
	if !m.Withhold { // the hint says that two tasks have the same secrets
		hintRenames(entries, m.tasksBefore(entries), tasksOf(m.Wanted))
	}
	return entries
}

// tasksBefore are the task specs of the services that are removed.
func (m making) tasksBefore(entries []Entry) map[string]specs.Hash {
	tasks := make(map[string]specs.Hash)
	for _, e := range entries {
		if e.Action == Remove {
			svc, _ := m.Present.ServiceNamed(e.Service)
			tasks[e.Service] = svc.Spec.Task
		}
	}
	return tasks
}

func (m making) created(id string, spec specs.ServiceSpec) Entry {
	return m.outcome(id, Entry{Action: Create}, spec)
}

func (m making) changed(id string, want specs.ServiceWant) Entry {
	svc, _ := m.Present.Service(id)
	switch {
	case want.Removed:
		return m.outcome(id, Entry{Action: Remove}, svc.Spec)
	case svc.Removed:
		return m.created(id, want.Spec)
	}
	stack := m.stack(want.Spec.Stack)
	old, new := version{rules: svc.Spec}, version{rules: want.Spec, task: stack.Tasks[want.Spec.Task]}
	old.task, _ = m.Present.TaskSpec(svc.Spec.Task)
	return m.outcome(id, changed(old, new, stack.Origins, m.redact), want.Spec)
}

// changed tells how a service becomes another version of itself. Its tasks are
// replaced exactly when they are of another task spec: a rollout looks at the same.
func changed(old, new version, origins specs.Origins, redact redactor) Entry {
	e := Entry{Action: InPlace}
	if old.rules.Task != new.rules.Task {
		e.Action = Rolling
		e.Parallelism = 1
		if p := new.rules.Update.Parallelism; p != nil {
			e.Parallelism = *p
		}
	} else {
		new.task = old.task
	}
	e.Fields = diff(old, new, origins, redact)
	return e
}

// outcome adds what the simulation saw of the service.
func (m making) outcome(id string, e Entry, spec specs.ServiceSpec) Entry {
	seen := m.end.services[id]
	e.Service, e.Stack = spec.Name, spec.Stack
	e.Global = spec.Mode == specs.Global
	e.Wanted = seen.wanted
	e.Totals = seen.totals
	e.Gap = seen.gap
	e.Pending = m.waits(seen.pending)
	e.Resumes = seen.resumes
	e.Expected = m.placements(seen.placed)
	if e.Action == Remove {
		e.Wanted = 0
	} else {
		stack := m.stack(spec.Stack)
		e.At, _ = stack.Origins.Find("services." + spec.ShortName())
	}
	if e.Action == Rolling && e.Totals.Restart > 0 {
		e.Estimate = specs.Duration(seen.took)
		e.Order = specs.StartFirst
		if seen.gap {
			e.Order = specs.StopFirst
		}
	}
	return e
}

// unwatched warns of services whose tasks are replaced by those of another image
// and that name no healthcheck. Whether the image brings one is known on nodes only.
func (m making) unwatched(entries []Entry) (warnings []specs.Problem) {
	for _, e := range entries {
		if e.Action != Rolling || e.Totals.Restart == 0 || !slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Name == "image" }) {
			continue
		}
		stack := m.stack(e.Stack)
		at := slices.IndexFunc(stack.Services, func(s specs.ServiceSpec) bool { return s.Name == e.Service })
		if stack.Tasks[stack.Services[at].Task].Healthcheck == nil {
			warnings = append(warnings, specs.Problem{
				Position: e.At, Message: e.Service + " has no healthcheck: unless its image has one, a broken image is noticed only when it exits",
			})
		}
	}
	return warnings
}

// moved tells of the services that do not change and whose tasks move or wait,
// also of those that were removed before and are still going.
func (m making) moved(changed []Entry) []Entry {
	known := make(map[string]bool)
	for _, e := range changed {
		known[e.Service] = true
	}
	var entries []Entry
	for svc := range m.Present.Services() {
		seen, ok := m.end.services[svc.ID]
		if !ok || known[svc.Spec.Name] || seen.totals.settled() {
			continue
		}
		e := Entry{Action: Same}
		if svc.Removed {
			e.Action = Remove
		}
		entries = append(entries, m.outcome(svc.ID, e, svc.Spec))
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Service, b.Service) })
	return entries
}

// placements names the nodes of new tasks, which come in the order in which they
// were made; tasks made at one time are a batch.
func (m making) placements(tasks []specs.Task) []Placement {
	var placed []Placement
	batch := 0
	for i, t := range tasks {
		if i > 0 && t.Created.Sub(tasks[i-1].Created) >= shortest {
			batch++
		}
		placed = append(placed, Placement{Slot: t.Slot, Batch: batch, Node: m.hostname(t.Want.Node)})
	}
	return placed
}

// waits names the slots of tasks that have no node.
func (m making) waits(groups []waiting) []Waiting {
	var waits []Waiting
	for _, g := range groups {
		w := Waiting{Reason: g.reason}
		for _, id := range g.slots {
			if id.Node != "" {
				w.Nodes = append(w.Nodes, m.hostname(id.Node))
			} else {
				w.Slots = append(w.Slots, id.Number)
			}
		}
		waits = append(waits, w)
	}
	return waits
}

// hostname is what people call the node.
func (m making) hostname(nodeID string) string {
	return printable(m.Present.NodeName(nodeID))
}

func (m making) stack(name string) specs.Stack {
	i := slices.IndexFunc(m.Wanted, func(s specs.Stack) bool { return s.Name == name })
	if i < 0 {
		return specs.Stack{}
	}
	return m.Wanted[i]
}

// hintRenames pairs new services with removed ones that ran the very same task:
// a rename is a removal and a creation, and people often mean neither.
func hintRenames(entries []Entry, before, after map[string]specs.Hash) {
	removed := make(map[specs.Hash][]string)
	for _, e := range entries {
		if e.Action == Remove {
			removed[before[e.Service]] = append(removed[before[e.Service]], e.Service)
		}
	}
	for i, e := range entries {
		if names := removed[after[e.Service]]; e.Action == Create && len(names) > 0 {
			entries[i].RenamedFrom, removed[after[e.Service]] = names[0], names[1:]
		}
	}
}

// tasksOf are the task specs of services, by name.
func tasksOf(stacks []specs.Stack) map[string]specs.Hash {
	tasks := make(map[string]specs.Hash)
	for _, stack := range stacks {
		for _, spec := range stack.Services {
			tasks[spec.Name] = spec.Task
		}
	}
	return tasks
}
