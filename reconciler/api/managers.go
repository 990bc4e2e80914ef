package api

import (
	"fmt"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// ManagerStatus is what a node is among the managers; a worker is nothing. One that
// joins has no vote yet.
type ManagerStatus string

// The statuses of a manager.
const (
	Leads       ManagerStatus = "leader"
	Reachable   ManagerStatus = "reachable"
	Unreachable ManagerStatus = "unreachable"
	Joins       ManagerStatus = "joining"
)

// quorum is how many of n managers have to agree to every change.
func quorum(n int) int { return n/2 + 1 }

// canLose is how many of n managers, of which some are reachable, may still be
// lost while changes go on.
func canLose(n, reachable int) int { return max(reachable-quorum(n), 0) }

// mostManagers is how many managers are worth while: each one more has to be
// told of every change.
const mostManagers = 7

// advice says how a cluster of n managers would be better made, or nothing.
func advice(n int) string {
	have := fmt.Sprintf("%d managers, can lose %d", n, canLose(n, n))
	switch {
	case n == 2:
		return have + "; 1 would do as well, 3 can lose 1"
	case n > mostManagers:
		return fmt.Sprintf("%s; %d are enough (can lose %d), and quicker to agree", have, mostManagers, canLose(mostManagers, mostManagers))
	case n > 0 && n%2 == 0:
		return fmt.Sprintf("%s; %d would do as well", have, n-1)
	}
	return ""
}

// mayDemote says why the managers cannot do without one of them, or nothing.
// managers are those that vote and whether each is reached. Those that are to
// become workers, and still vote, are counted as gone.
func mayDemote(snap store.Snapshot, managers map[string]bool, node specs.Node) error {
	left, reachable := 0, 0
	for id, reached := range managers {
		row, known := snap.Node(id)
		if id == node.ID || known && row.Spec.Role != specs.Manager {
			continue
		}
		left++
		if reached {
			reachable++
		}
	}
	switch need := quorum(left); {
	case left == 0:
		return wire.Errorf(wire.InvalidArgument, "demote %s: refused: it is the last manager: promote another node first (swarmgit node promote NODE)", node.Name())
	case reachable < need:
		return wire.Errorf(wire.InvalidArgument, "demote %s: refused: %s would be left of which %s reachable; %s needed: bring one back first",
			node.Name(), plural(left, "manager"), are(reachable), are(need))
	}
	return nil
}

// remaining writes the rows of the managers that are left as they are: who demotes
// one of them at the same time conflicts with that, and looks again who is left.
func remaining(snap store.Snapshot, demoted specs.Node) (tx specs.Transaction) {
	for node := range snap.Nodes() {
		if node.Spec.Role == specs.Manager && node.ID != demoted.ID {
			tx = append(tx, specs.Change{NodeSpec: specs.Set(node.ID, node.SpecVersion, node.Spec)})
		}
	}
	return tx
}

// plural is "1 manager" or "2 managers".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// are is "1 is" or "2 are".
func are(n int) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}

// managerCounts says how the managers are. Without a leader only those count as
// reachable that the manager which answers reaches itself.
func (s *Server) managerCounts(snap store.Snapshot) ManagerCounts {
	var c ManagerCounts
	for id, reached := range s.Nodes.Managers() {
		c.Total++
		if reached {
			c.Reachable++
			continue
		}
		c.Unreachable = append(c.Unreachable, snap.NodeName(id))
	}
	slices.Sort(c.Unreachable)
	c.CanLose, c.Advice = canLose(c.Total, c.Reachable), advice(c.Total)
	return c
}

func (s *Server) managerStatus(node specs.Node) ManagerStatus {
	reached, votes := s.Nodes.Managers()[node.ID]
	switch {
	case !votes && node.Spec.Role == specs.Manager:
		return Joins
	case !votes:
		return ""
	case node.ID == s.Cluster.Leader():
		return Leads
	case reached:
		return Reachable
	}
	return Unreachable
}
