package converge

import (
	"github.com/swarmgit/swarmgit/specs"
)

// nodeView is what a pass needs to know of a node, looked up once.
type nodeView struct {
	specs.Node
	known bool
}

func (p *pass) node(id string) *nodeView {
	view, ok := p.nodes[id]
	if !ok {
		view = new(nodeView)
		view.Node, view.known = p.draft.Node(id)
		p.nodes[id] = view
	}
	return view
}

// lost reports that the node says nothing of its tasks any more: it is down or
// forgotten. A node not heard of yet is not lost.
func (n *nodeView) lost() bool { return !n.known || n.Seen.Status == specs.NodeDown }

// absent reports that nobody waits for the task: its slot is a node that is lost.
func (p *pass) absent(t specs.Task) bool { return t.SlotNode != "" && p.node(t.SlotNode).lost() }

// evicts says why the node cannot keep any task, or nothing.
func (n *nodeView) evicts() string {
	switch {
	case !n.known:
		return "its node left the cluster"
	case n.Spec.Availability == specs.Drain:
		return "node " + n.Name() + " is drained"
	case n.silent():
		return "node " + n.Name() + " is down"
	}
	return ""
}

// silent reports that nothing but its silence takes the node's tasks away.
func (n *nodeView) silent() bool {
	return n.known && n.Seen.Status == specs.NodeDown && n.Spec.Availability != specs.Drain
}
