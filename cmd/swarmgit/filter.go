package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

// filterKey is one key of --filter.
type filterKey[T any] struct {
	name string
	fits func(one T, value string) bool
	// values are all that there are of a key of few; nil allows any.
	values []string
}

// filter is what --filter asks for of a list. One is shown when one value of each
// key fits.
type filter[T any] struct {
	keys   []filterKey[T]
	wanted [][]string // by key
}

var nodeFilters = []filterKey[api.Node]{
	{name: "id", fits: func(n api.Node, value string) bool { return strings.HasPrefix(n.ID, value) }},
	{name: "name", fits: func(n api.Node, value string) bool { return strings.Contains(n.Seen.Description.Hostname, value) }},
	{name: "role", fits: func(n api.Node, value string) bool { return string(n.Spec.Role) == value },
		values: []string{string(specs.Manager), string(specs.Worker)}},
	{name: "label", fits: func(n api.Node, value string) bool {
		return hasLabel(n.Spec.Labels, value) || hasLabel(n.Seen.Description.EngineLabels, value)
	}},
	{name: "node.label", fits: func(n api.Node, value string) bool { return hasLabel(n.Spec.Labels, value) }},
}

var taskFilters = []filterKey[api.Task]{
	{name: "id", fits: func(t api.Task, value string) bool { return strings.HasPrefix(t.ID, value) }},
	{name: "name", fits: func(t api.Task, value string) bool { return strings.HasPrefix(t.Name, value) }},
	{name: "node", fits: func(t api.Task, value string) bool {
		return t.Hostname == value || strings.HasPrefix(t.Node(), value)
	}},
	{name: "desired-state", fits: func(t api.Task, value string) bool { return t.Want.Desired.String() == value },
		values: []string{
			specs.StateReady.String(), specs.StateRunning.String(), specs.StateComplete.String(),
			specs.StateShutdown.String(), specs.StateRemove.String(),
		}},
}

// hasLabel reports that the labels hold KEY or KEY=VALUE.
func hasLabel(labels map[string]string, wanted string) bool {
	key, value, exact := strings.Cut(wanted, "=")
	has, found := labels[key]
	return found && (!exact || has == value)
}

func parseFilter[T any](keys []filterKey[T], args []string) (filter[T], error) {
	f := filter[T]{keys, make([][]string, len(keys))}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		i := slices.IndexFunc(keys, func(key filterKey[T]) bool { return key.name == name })
		if !ok || i < 0 {
			return f, fmt.Errorf("--filter %s: write it as %s and a value", arg,
				anyOf(each(keys, func(key filterKey[T]) string { return key.name + "=" })))
		}
		if all := keys[i].values; all != nil && !slices.Contains(all, value) {
			return f, fmt.Errorf("--filter %s: a %s is %s", arg, name, anyOf(all))
		}
		f.wanted[i] = append(f.wanted[i], value)
	}
	return f, nil
}

// anyOf is "a, b or c".
func anyOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (f filter[T]) pick(all []T) []T {
	picked := []T{}
	for _, one := range all {
		if f.fits(one) {
			picked = append(picked, one)
		}
	}
	return picked
}

func (f filter[T]) fits(one T) bool {
	for i, values := range f.wanted {
		if len(values) > 0 && !slices.ContainsFunc(values, func(value string) bool { return f.keys[i].fits(one, value) }) {
			return false
		}
	}
	return true
}
