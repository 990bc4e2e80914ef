package scheduler

import "github.com/swarmgit/swarmgit/specs"

// Suits returns a test of nodes for what tasks of the spec demand of a node's
// attributes: the runtime and every constraint. Whether a node is open and has
// room is another question.
func Suits(spec specs.TaskSpec, rules specs.Placement) func(*specs.Node) bool {
	e := eligibility{runtime: spec.Runtime, constraints: demands(rules.Constraints)}
	return func(n *specs.Node) bool { return e.blame(n) == "" }
}

// PlaceOn asks for the one node that a task of a global service can be on. It
// says why the task has to wait, "" if it need not. Failures on the node and
// MaxReplicas do not count: there is no other node and no other task. Like Place
// it changes nothing.
func (s *State) PlaceOn(nodeID string, r Request) (reason string) {
	i, ok := s.index[nodeID]
	if !ok || s.nodes[i].row == nil {
		return unsuitable("no such node")
	}
	if !s.open.has(i) {
		return unsuitable(nodes(1) + " " + closed(s.nodes[i].row))
	}
	r.Rules.MaxReplicas = 0
	if why := s.Explain(nodeID, r); why != "" {
		return unsuitable(why + " on " + nodes(1))
	}
	return ""
}
