package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// refusal is why a node with the right attributes cannot take a task.
type refusal int

const (
	outOfMemory refusal = iota
	outOfCPUs
	crowded
	portTaken // and those after it: the first host port, the second, ...
)

// words are what people read of a refusal.
func (p *placing) words(r refusal) string {
	if r >= portTaken {
		return "host-mode port " + p.ports[r-portTaken].String() + " already in use"
	}
	return [portTaken]string{"insufficient memory", "insufficient CPUs", "max replicas per node limit exceeded"}[r]
}

// lacking counts the nodes that were refused, by why.
func (p *placing) lacking() map[string]int {
	lacking := make(map[string]int)
	for why, n := range p.refused {
		if n > 0 {
			lacking[p.words(refusal(why))] += n
		}
	}
	return lacking
}

// closed says why the node takes no tasks at all, as people see it in the list
// of nodes.
func closed(n *specs.Node) string {
	switch {
	case n.Seen.Status == specs.NodeDown:
		return "down"
	case n.Seen.Status != specs.NodeReady:
		return "unknown"
	case n.Spec.Availability == specs.Drain:
		return "drained"
	case n.Spec.Availability == specs.Pause:
		return "paused"
	}
	return "not available for new tasks"
}

// reason says why there is no node for a task. Every node is counted once, for
// the first thing that it lacks: being open, the attributes, the room. lacking
// are those that lack room.
//
//	no nodes in the cluster
//	no suitable node (1 node drained; insufficient memory on 2 nodes)
//
// Nodes that are closed come first, then the most frequent reason.
func (s *State) reason(e *eligibility, lacking map[string]int) string {
	shut := make(map[string]int)
	for i, n := range s.nodes {
		switch {
		case n.row == nil:
		case !s.open.has(int32(i)):
			shut[closed(n.row)]++
		case !e.nodes.has(int32(i)):
			lacking[e.blame(n.row)]++
		}
	}
	var clauses []string
	for _, t := range tallied(shut) {
		clauses = append(clauses, nodes(t.nodes)+" "+t.why)
	}
	for _, t := range tallied(lacking) {
		clauses = append(clauses, t.why+" on "+nodes(t.nodes))
	}
	if len(clauses) == 0 {
		return "no nodes in the cluster"
	}
	return unsuitable(clauses...)
}

func unsuitable(clauses ...string) string {
	return "no suitable node (" + strings.Join(clauses, "; ") + ")"
}

type tally struct {
	why   string
	nodes int
}

// tallied sorts by falling number of nodes.
func tallied(counts map[string]int) []tally {
	var list []tally
	for why, n := range counts {
		list = append(list, tally{why, n})
	}
	slices.SortFunc(list, func(a, b tally) int {
		return cmp.Or(cmp.Compare(b.nodes, a.nodes), strings.Compare(a.why, b.why))
	})
	return list
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}
