package schema

import (
	"fmt"
	"slices"
	"strings"
)

// replaced is the @merge of a value that a later file replaces as a whole.
const replaced = "replace"

// merge lays what a later file says over the base, in place, as Swarm and Compose
// do it with several files. Mappings are merged key by key. Items of lists are
// added, but those that are there already, or have the same keys where the items have
// some, take the place of these. Everything else, and what compose.cue marks
// @merge(replace), is replaced. Both are shaped and checked. What the later file
// replaces has its place from then on.
func merge(base, over *node, r *rule) {
	base.lost = append(base.lost, over.lost...)
	for _, f := range over.fields {
		if have := base.field(f.key); have != nil {
			mergeField(have, f, r.of(f.key))
		} else {
			base.add(f)
		}
	}
}

func mergeField(base, over *field, r *rule) {
	switch {
	case r.merge == replaced || base.value.kind != over.value.kind:
		*base = *over
	case over.value.kind == mapping:
		merge(base.value, over.value, r)
	case over.value.kind == list:
		mergeList(base.value, over.value, r)
	default:
		*base = *over
	}
}

func mergeList(base, over *node, r *rule) {
	theirs := map[string][]*node{} // of over, by what they are; nil once they have their place
	for _, item := range over.items {
		id := r.identity(item)
		theirs[id] = append(theirs[id], item)
	}
	var items []*node
	for _, item := range slices.Concat(base.items, over.items) {
		id := r.identity(item)
		if same, ok := theirs[id]; ok {
			items, theirs[id] = append(items, same...), nil
		} else {
			items = append(items, item)
		}
	}
	for i, item := range items {
		item.index = i
	}
	base.items = items
}

// of is the rule of one key of a mapping.
func (r *rule) of(key string) *rule {
	if known := r.fields[key]; known != nil {
		return known
	}
	return r.each
}

// identity tells which items of a list are the same thing: by the values of its keys
// if it has the first of them, else by all that it says.
func (r *rule) identity(item *node) string {
	keys := strings.Fields(r.merge)
	if len(keys) == 0 || item.get(keys[0]) == nil {
		return fmt.Sprint(plainValue(item))
	}
	id := "keys"
	for _, key := range keys {
		id += " " + item.get(key).text()
	}
	return id
}
