package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

// nodeFilter is what --filter asks for: values by key. A node is listed when one
// value of each key fits.
type nodeFilter map[string][]string

// nodeFilters are the keys, and when a node fits a value.
var nodeFilters = map[string]func(n api.Node, value string) bool{
	"id":   func(n api.Node, value string) bool { return strings.HasPrefix(n.ID, value) },
	"name": func(n api.Node, value string) bool { return strings.Contains(n.Seen.Description.Hostname, value) },
	"role": func(n api.Node, value string) bool { return string(n.Spec.Role) == value },
	"label": func(n api.Node, value string) bool {
		return hasLabel(n.Spec.Labels, value) || hasLabel(n.Seen.Description.EngineLabels, value)
	},
	"node.label": func(n api.Node, value string) bool { return hasLabel(n.Spec.Labels, value) },
}

// hasLabel reports that the labels hold KEY or KEY=VALUE.
func hasLabel(labels map[string]string, wanted string) bool {
	key, value, exact := strings.Cut(wanted, "=")
	has, found := labels[key]
	return found && (!exact || has == value)
}

func parseNodeFilter(args []string) (nodeFilter, error) {
	filter := nodeFilter{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || nodeFilters[key] == nil {
			return nil, fmt.Errorf("--filter %s: write it as id=, name=, role=, label= or node.label= and a value", arg)
		}
		if key == "role" && value != "manager" && value != "worker" {
			return nil, fmt.Errorf("--filter %s: a role is manager or worker", arg)
		}
		filter[key] = append(filter[key], value)
	}
	return filter, nil
}

func (f nodeFilter) pick(nodes []api.Node) []api.Node {
	picked := []api.Node{}
	for _, n := range nodes {
		if f.fits(n) {
			picked = append(picked, n)
		}
	}
	return picked
}

func (f nodeFilter) fits(n api.Node) bool {
	for key, values := range f {
		if !slices.ContainsFunc(values, func(value string) bool { return nodeFilters[key](n, value) }) {
			return false
		}
	}
	return true
}
