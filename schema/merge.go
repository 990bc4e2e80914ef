package schema

import "fmt"

// replaced is the @merge of a value that a later file replaces as a whole.
const replaced = "replace"

// merge lays what a later file says over the base, in place, as Swarm and Compose
// do it with several files. Mappings are merged key by key. Items of lists are
// added, but one that is there already, or has the same key where the items have
// one, takes the place of that. Everything else, and what compose.cue marks
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
	at := map[string]int{}
	for i, item := range base.items {
		at[r.identity(item)] = i
	}
	for _, item := range over.items {
		id := r.identity(item)
		if i, there := at[id]; there {
			base.items[i] = item
			continue
		}
		at[id] = len(base.items)
		base.items = append(base.items, item)
	}
	for i, item := range base.items {
		item.index = i
	}
}

// of is the rule of one key of a mapping.
func (r *rule) of(key string) *rule {
	if known := r.fields[key]; known != nil {
		return known
	}
	return r.each
}

// identity tells which items of a list are the same thing: that of its key, else
// all that it says.
func (r *rule) identity(item *node) string {
	if key := item.get(r.merge); r.merge != "" && key != nil {
		return "key " + key.value
	}
	return fmt.Sprint(plainValue(item))
}
