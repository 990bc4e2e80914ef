package scheduler

import (
	"iter"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// A node on which a service failed this often, with the same spec and within
// this time, gets its tasks only when no other node is left.
const (
	FaultyAfter = 5
	FaultyFor   = 5 * time.Minute
)

// Request asks for nodes for some tasks of one service that share a spec.
type Request struct {
	ServiceID string
	Version   specs.Hash     // of Spec
	Spec      specs.TaskSpec // what it reserves and its runtime matter
	Rules     specs.Placement
	Count     int // tasks

	// Past is the service's tasks, among which those of Version that failed
	// lately tell which nodes are faulty; nil if that does not matter.
	Past iter.Seq[specs.Task]
	Now  time.Time
}

// Result is the nodes that were found.
type Result struct {
	Nodes  []string // IDs in the order of choice, one for each task, at most Count
	Reason string   // why the other tasks have no node; "" when all have one
}

// Place chooses the nodes. It changes nothing: the caller creates the tasks and
// says so with [State.Task] before it asks again.
func (s *State) Place(r Request) Result {
	if r.Count <= 0 {
		return Result{}
	}
	s.sort()
	p := s.placing(r)
	g := p.group
	if reason, full := s.full[g]; full {
		return Result{Reason: reason}
	}
	nodes := p.run(r)
	if len(nodes) == r.Count {
		return Result{Nodes: nodes}
	}
	reason := s.reason(g.eligible, p.lacking())
	if len(nodes) == 0 && p.refused[crowded] == 0 {
		s.full[g] = reason
	}
	return Result{Nodes: nodes, Reason: reason}
}

// placing is one call of Place.
type placing struct {
	s       *State
	group   group
	ports   []specs.HostPort
	most    uint64 // tasks of the service on a node; 0 is any number
	refused []int  // nodes, by refusal
}

func (s *State) placing(r Request) *placing {
	return &placing{
		s: s, group: group{s.eligibility(r.Spec, r.Rules), r.Spec.Reservations, portList(r.Spec.HostPorts)},
		ports: r.Spec.HostPorts, most: r.Rules.MaxReplicas,
		refused: make([]int, int(portTaken)+len(r.Spec.HostPorts)),
	}
}

func (p *placing) run(r Request) []string {
	root := p.candidates(r)
	left := root.rank(p)
	var nodes []string
	for left && len(nodes) < r.Count {
		var c candidate
		c, left = root.take(p)
		nodes = append(nodes, p.s.nodes[c.node].id)
	}
	return nodes
}

// candidates returns the branches with all nodes that are open and eligible.
func (p *placing) candidates(r Request) *branch {
	s, on := p.s, p.s.on(r.ServiceID)
	mask := s.open.and(p.group.eligible.nodes)
	faulty := s.faulty(r)
	others := make([]candidate, 0, len(on)+len(faulty))
	for i, n := range on {
		if mask.has(i) {
			mask.remove(i)
			others = append(others, candidate{node: i, count: n, total: s.total[i], faulty: faulty[i]})
		}
	}
	for i := range faulty {
		if mask.has(i) {
			mask.remove(i)
			others = append(others, candidate{node: i, total: s.total[i], faulty: true})
		}
	}
	if len(r.Rules.Preferences) == 0 {
		return &branch{queue: newQueue(walk{levels: s.levels, mask: mask}, others)}
	}
	return s.spread(r.Rules.Preferences, mask, others, on)
}

// faulty returns the nodes that the service fails on.
func (s *State) faulty(r Request) map[int32]bool {
	if r.Past == nil {
		return nil
	}
	failures, faulty := make(map[int32]int), make(map[int32]bool)
	for t := range r.Past {
		if t.Spec != r.Version || !failedSince(t, r.Now.Add(-FaultyFor)) {
			continue
		}
		if i, ok := s.index[t.Want.Node]; ok {
			failures[i]++
			if failures[i] >= FaultyAfter {
				faulty[i] = true
			}
		}
	}
	return faulty
}

func failedSince(t specs.Task, start time.Time) bool {
	state := t.Seen.State
	return (state == specs.StateFailed || state == specs.StateRejected) && !t.Seen.Since.Before(start)
}

// hasRoom reports whether the node can take one task more, and notes why not.
func (p *placing) hasRoom(c candidate) bool {
	why, ok := p.room(p.s.free[c.node], c)
	if !ok {
		p.refused[why]++
	}
	return ok
}

func (p *placing) room(free specs.Resources, c candidate) (why refusal, ok bool) {
	need, placed := p.group.reserves, int64(c.placed)
	switch {
	case need.Memory > 0 && free.Memory-specs.Bytes(placed)*need.Memory < need.Memory:
		return outOfMemory, false
	case need.CPUs > 0 && free.CPUs-specs.NanoCPUs(placed)*need.CPUs < need.CPUs:
		return outOfCPUs, false
	}
	for i, port := range p.ports {
		if placed > 0 || p.s.ports[port.String()][c.node] > 0 {
			return portTaken + refusal(i), false
		}
	}
	if p.most > 0 && uint64(c.count) >= p.most {
		return crowded, false
	}
	return 0, true
}

// Explain says in words why the node cannot take one task more of the request,
// whatever its Count, and "" if it can.
func (s *State) Explain(nodeID string, r Request) string {
	i, ok := s.index[nodeID]
	if !ok || s.nodes[i].row == nil {
		return "no such node"
	}
	n := s.nodes[i].row
	if !s.open.has(i) {
		return "node is " + closed(n)
	}
	e := s.eligibility(r.Spec, r.Rules)
	if why := e.blame(n); why != "" {
		return why
	}
	p := s.placing(r)
	if why, ok := p.room(s.free[i], candidate{node: i, count: s.on(r.ServiceID)[i]}); !ok {
		return p.words(why)
	}
	return ""
}

// Free is what is left of the node's resources for reservations. An amount is
// negative when the node shrank below what its tasks reserve.
func (s *State) Free(nodeID string) specs.Resources {
	i, ok := s.index[nodeID]
	if !ok {
		return specs.Resources{}
	}
	return s.free[i]
}
