package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Placements are listed one by one up to these numbers, then counted by node.
const (
	maxNamedTasks = 3
	maxSlots      = 8
)

// expected says where the new tasks are expected to run.
func (e Entry) expected() string {
	switch n := len(e.Expected); {
	case n == 0:
		return ""
	case e.Global:
		return e.onNodes()
	case n <= maxNamedTasks && e.Expected[n-1].Batch == 0:
		return e.namedTasks()
	case n <= maxSlots:
		return e.batches()
	}
	return e.byNode()
}

// namedTasks is "shop_web.4 on n2, shop_web.5 on n3".
func (e Entry) namedTasks() string {
	var items []string
	for _, p := range e.Expected {
		items = append(items, fmt.Sprintf("%s.%d on %s", e.Service, p.Slot, p.Node))
	}
	return strings.Join(items, ", ")
}

// batches is ".1 .2 | .3 on n1 n2 | n3".
func (e Entry) batches() string {
	var slots, nodes strings.Builder
	for i, p := range e.Expected {
		if i > 0 && p.Batch != e.Expected[i-1].Batch {
			slots.WriteString(" |")
			nodes.WriteString(" |")
		}
		fmt.Fprintf(&slots, " .%d", p.Slot)
		nodes.WriteString(" " + p.Node)
	}
	return slots.String()[1:] + " on" + nodes.String()
}

// onNodes is "n1 n2 | n3" or, of many nodes, "n1 n2 n3 n4 n5 n6 n7 and 5 more nodes".
func (e Entry) onNodes() string {
	var text strings.Builder
	for i, p := range e.Expected {
		switch {
		case i == maxSlots-1 && len(e.Expected) > maxSlots:
			fmt.Fprintf(&text, " and %d more nodes", len(e.Expected)-i)
			return text.String()[1:]
		case i > 0 && p.Batch != e.Expected[i-1].Batch:
			text.WriteString(" |")
		}
		text.WriteString(" " + p.Node)
	}
	return text.String()[1:]
}

// byNode is "n1 x4, n2 x3".
func (e Entry) byNode() string {
	counts := make(map[string]int)
	for _, p := range e.Expected {
		counts[p.Node]++
	}
	var items []string
	for _, node := range slices.Sorted(maps.Keys(counts)) {
		items = append(items, fmt.Sprintf("%s x%d", node, counts[node]))
	}
	if len(items) > maxSlots {
		items = append(items[:maxSlots-1], fmt.Sprintf("%d more nodes", len(items)-maxSlots+1))
	}
	return strings.Join(items, ", ")
}

// text is the reason, with the slots unless all wait for it.
func (w Waiting) text(all bool) string {
	switch {
	case all:
		return w.Reason
	case w.size() > maxSlots:
		return fmt.Sprintf("%d tasks: %s", w.size(), w.Reason)
	}
	slots := slices.Clone(w.Nodes)
	for _, s := range w.Slots {
		slots = append(slots, fmt.Sprintf(".%d", s))
	}
	return strings.Join(slots, " ") + ": " + w.Reason
}
