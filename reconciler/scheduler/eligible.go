package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// maxEligibilities bounds the caches of eligibilities and partitions: services
// come and go, and a cache that was never emptied would remember all.
const maxEligibilities = 1024

// eligibility is what a task demands of a node's attributes, and which nodes
// have them. It never changes: when an attribute does, it is made anew.
type eligibility struct {
	runtime     string
	constraints []demand
	nodes       bitset
}

// demand is a constraint, or one that nobody can read, which no node meets.
type demand struct {
	Constraint
	text    string
	invalid bool
}

func demands(constraints []string) []demand {
	list := make([]demand, len(constraints))
	for i, text := range constraints {
		c, err := ParseConstraint(text)
		if list[i] = (demand{Constraint: c, text: c.String(), invalid: err != nil}); err != nil {
			list[i].text = text
		}
	}
	return list
}

// eligibility returns which nodes have what the tasks demand.
func (s *State) eligibility(spec specs.TaskSpec, rules specs.Placement) *eligibility {
	key := spec.Runtime + "\x00" + strings.Join(rules.Constraints, "\x00")
	if e, ok := s.eligible[key]; ok {
		return e
	}
	e := &eligibility{runtime: spec.Runtime, constraints: demands(rules.Constraints)}
	e.nodes = s.meeting(e)
	if len(s.eligible) >= maxEligibilities {
		s.forgetAttributes()
	}
	s.eligible[key] = e
	return e
}

// meeting evaluates e once for each class of nodes, or for each node when e can
// tell nodes of a class apart.
func (s *State) meeting(e *eligibility) bitset {
	met := make(bitset, 0, (len(s.nodes)+wordBits-1)/wordBits)
	each := slices.ContainsFunc(e.constraints, func(d demand) bool { return d.ofOneNode() })
	verdicts := make(map[int32]bool)
	for i, n := range s.nodes {
		if n.row == nil {
			continue
		}
		ok, known := verdicts[n.class]
		if !known || each {
			ok = e.blame(n.row) == ""
			verdicts[n.class] = ok
		}
		if ok {
			met = met.with(int32(i))
		}
	}
	return met
}

// blame says which demand the node does not meet, "" if it meets all.
func (e *eligibility) blame(n *specs.Node) string {
	if !canRun(n, e.runtime) {
		return "cannot run " + plural(e.runtime)
	}
	for _, d := range e.constraints {
		if why := d.blame(n); why != "" {
			return why
		}
	}
	return ""
}

func (d demand) blame(n *specs.Node) string {
	if d.invalid || !d.Meets(n) {
		return d.text + " not met"
	}
	return ""
}

// plural names the tasks of a runtime.
func plural(runtime string) string {
	switch runtime {
	case specs.RuntimeContainer:
		return "containers"
	case specs.RuntimeProcess:
		return "processes"
	}
	return "runtime " + runtime
}

// canRun reports whether the node has the runtime. A node that lists none runs
// containers.
func canRun(n *specs.Node, runtime string) bool {
	has := n.Seen.Description.Runtimes
	return len(has) == 0 && runtime == specs.RuntimeContainer || slices.Contains(has, runtime)
}

// forgetAttributes empties all caches that depend on what nodes are.
func (s *State) forgetAttributes() {
	s.eligible = make(map[string]*eligibility)
	s.partitions = make(map[string]*partition)
	s.full = make(map[group]string)
}

// forgetAttributesUnless keeps them when only the node's status, resources or
// availability changed.
func (s *State) forgetAttributesUnless(before, after *specs.Node) {
	if len(s.eligible) == 0 || before != nil && after != nil && sameAttributes(before, after) {
		return
	}
	s.forgetAttributes()
}

func sameAttributes(a, b *specs.Node) bool {
	x, y := &a.Seen.Description, &b.Seen.Description
	return a.ID == b.ID && a.Spec.Role == b.Spec.Role && a.Seen.Addr == b.Seen.Addr &&
		x.Hostname == y.Hostname && x.OS == y.OS && x.Arch == y.Arch && slices.Equal(x.Runtimes, y.Runtimes) &&
		maps.Equal(a.Spec.Labels, b.Spec.Labels) && maps.Equal(x.EngineLabels, y.EngineLabels)
}

// class returns the number of the node's class: nodes of one class differ in
// nothing that a constraint can ask for but ID, host name and address.
func (s *State) class(n *specs.Node) int32 {
	d := &n.Seen.Description
	key := fmt.Sprintf("%q %q %q %q %q %q", n.Spec.Role, d.OS, d.Arch, d.Runtimes, pairs(n.Spec.Labels), pairs(d.EngineLabels))
	class, ok := s.classes[key]
	if !ok {
		class = int32(len(s.classes))
		s.classes[key] = class
	}
	return class
}

func pairs(m map[string]string) []string {
	list := make([]string, 0, 2*len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k, m[k])
	}
	return list
}
