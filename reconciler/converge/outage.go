package converge

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

const (
	// outagePatience is how long the tasks of nodes that went down together are
	// not replaced.
	outagePatience = time.Minute
	// outageNodes is how many nodes make an outage, if they are more than a third.
	outageNodes = 3
)

// Outage is many nodes lost within one heartbeat period. That is more often a
// network or a power supply than so many machines: to replace all their tasks at
// once would bury what is left, for nodes that are back in a moment.
type Outage struct {
	Lost   int           // nodes that went down together, those that are back included
	Nodes  int           // of so many that were there
	Within time.Duration // the period
	Until  time.Time     // tasks of nodes that are down are not replaced before
}

// FindOutage returns the outage that holds replacements at the time now, if there
// is one. It is for the pass, and for those who tell people why nothing moves.
func FindOutage(snap store.Snapshot, now time.Time) (Outage, bool) {
	period := snap.Cluster().Spec.Heartbeat()
	return findOutage(snap.Nodes(), period, now)
}

func findOutage(nodes iter.Seq[specs.Node], period time.Duration, now time.Time) (Outage, bool) {
	var downs, backs []time.Time
	oldest := now.Add(-outagePatience - period) // what happened before holds nothing any more
	total := 0
	for n := range nodes {
		total++
		switch since := n.Seen.Since; {
		case n.Seen.Status == specs.NodeDown && since.Before(oldest):
			total--
		case n.Seen.Status == specs.NodeDown:
			downs = append(downs, since)
		case n.Created.Before(since) && since.After(oldest):
			backs = append(backs, since)
		}
	}
	slices.SortFunc(downs, time.Time.Compare)
	slices.SortFunc(backs, time.Time.Compare)
	for last := len(downs) - 1; last >= 0; last-- {
		o := Outage{Within: period, Until: downs[last].Add(outagePatience)}
		before := countBefore(downs, downs[last].Add(-period))
		o.Lost = last + 1 - before + len(backs) - countBefore(backs, downs[last].Add(-period))
		o.Nodes = total - before
		if now.Before(o.Until) && o.Lost >= outageNodes && 3*o.Lost > o.Nodes {
			return o, true
		}
	}
	return Outage{}, false
}

// countBefore counts the times, which are sorted, that are before t.
func countBefore(times []time.Time, t time.Time) int {
	n, _ := slices.BinarySearchFunc(times, t, time.Time.Compare)
	return n
}

// String is "5 of 9 nodes went down within 5s: tasks of nodes that are down are
// not replaced before 12:01:00 UTC".
func (o Outage) String() string {
	return fmt.Sprintf("%d of %d nodes went down within %s: tasks of nodes that are down are not replaced before %s",
		o.Lost, o.Nodes, o.Within, o.Until.UTC().Format("15:04:05 MST"))
}

// heldUntil is when the tasks of a node that is down may be replaced; the zero time
// is at once. Those that another leader has not replaced were held by an outage: one
// that its successor has not lived through to the end begins anew.
func (p *pass) heldUntil(node *nodeView) time.Time {
	if node.Seen.Since.Before(p.began) {
		return latest(p.outageUntil(), p.began.Add(outagePatience))
	}
	return p.outageUntil()
}

// outageUntil is when the outage ends that there is; the zero time is for none.
func (p *pass) outageUntil() time.Time {
	if !p.outageKnown {
		o, _ := FindOutage(p.draft.Snapshot, p.now)
		p.outage, p.outageKnown = o.Until, true
	}
	return p.outage
}
