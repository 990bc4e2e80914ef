package converge

import (
	"github.com/swarmgit/swarmgit/reconciler/scheduler"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// fit judges nodes by what one service demands of them.
type fit struct {
	constraints []scheduler.Constraint // without those that cannot be read
	suits       func(*specs.Node) bool
}

func fitOf(snap store.Snapshot, spec specs.ServiceSpec) fit {
	task, _ := snap.TaskSpec(spec.Task)
	f := fit{suits: scheduler.Suits(task, spec.Placement)}
	for _, text := range spec.Placement.Constraints {
		if c, err := scheduler.ParseConstraint(text); err == nil {
			f.constraints = append(f.constraints, c)
		}
	}
	return f
}

// takes reports that the node gets a task of the service if it is global.
func (f fit) takes(n *specs.Node) bool { return n.CanTakeTasks() && f.suits(n) }

// unmet names the first constraint that the node does not meet. One that cannot
// be read keeps new tasks away and moves none; neither does a node lose tasks by
// its attributes while the operator gives it none or nobody has heard of it.
func (f fit) unmet(n *specs.Node) string {
	heard := n.Seen.Status == specs.NodeReady || n.Seen.Status == specs.NodeDown
	if !heard || !n.Active() {
		return ""
	}
	for _, c := range f.constraints {
		if !c.Meets(n) {
			return c.String()
		}
	}
	return ""
}
