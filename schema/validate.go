package schema

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
)

// validator checks values against the definitions.
type validator struct {
	context *cue.Context
	known   map[*format]cue.Value // in the context
	values  int                   // that the context has seen
}

// maxPerContext bounds the values of what one CUE context may retain: about 1 KB
// for each, more for a service.
const maxPerContext = 20_000

func newValidator() *validator { return &validator{} }

// check reports every value of a shaped tree that its format does not allow and
// takes it out.
func (v *validator) check(root *node, f *format, to *report) {
	if v.context == nil || v.values > maxPerContext {
		*v = validator{context: cuecontext.New(), known: map[*format]cue.Value{}}
	}
	v.values += root.size()
	definition, ok := v.known[f]
	if !ok {
		definition = f.definition(v.context)
		v.known[f] = definition
	}
	data := v.context.Encode(plainValue(root))
	err := definition.Unify(data).Validate()
	for _, e := range errors.Errors(err) {
		n, shown := root.find(cuePath(e.Path()))
		if n.broken {
			continue
		}
		n.broken = true
		format, args := e.Msg()
		message := fmt.Sprintf(format, args...)
		to.problem(n.pos, shown, message+got(n, shown)+quoteIt(message, n))
	}
	if err != nil {
		root.sweep()
	}
}

// quoteIt is the advice for a number that YAML made of what is meant as text.
func quoteIt(message string, n *node) string {
	if strings.HasPrefix(message, "must be text") && (n.kind == integer || n.kind == float || n.kind == boolean) {
		return ": put it in quotes"
	}
	return ""
}

// cuePath turns a path of CUE into keys.
func cuePath(path []string) []string {
	if len(path) > 0 && strings.HasPrefix(path[0], "#") {
		path = path[1:]
	}
	keys := slices.Clone(path)
	for i, key := range keys {
		if plain, err := strconv.Unquote(key); err == nil {
			keys[i] = plain
		}
	}
	return keys
}

// find returns the value at a path of the shaped tree, or the nearest that is
// there, and its path as the file has it.
func (n *node) find(path []string) (found *node, shown string) {
	for _, key := range path {
		i, err := strconv.Atoi(key)
		switch next := n.get(key); {
		case next != nil:
			if n = next; key != externalIs {
				shown = join(shown, key)
			}
		case err == nil && i < len(n.items):
			n = n.items[i]
			shown = join(shown, strconv.Itoa(n.index))
		default:
			return n, shown
		}
	}
	return n, shown
}

// size is how many values the tree has.
func (n *node) size() int {
	size := 1
	for _, f := range n.fields {
		size += f.value.size()
	}
	for _, item := range n.items {
		size += item.size()
	}
	return size
}

// sweep takes out the broken values.
func (n *node) sweep() {
	n.fields = slices.DeleteFunc(n.fields, func(f *field) bool {
		if f.value.broken {
			n.lost = append(n.lost, f.key)
		}
		return f.value.broken
	})
	n.items = slices.DeleteFunc(n.items, func(i *node) bool { return i.broken })
	for _, f := range n.fields {
		f.value.sweep()
	}
	for _, item := range n.items {
		item.sweep()
	}
}

// plainValue is the tree as CUE takes it.
func plainValue(n *node) any {
	switch n.kind {
	case boolean:
		return strings.EqualFold(n.value, "true")
	case integer:
		return n.whole()
	case float:
		f := n.float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return n.value // nothing takes it as a number
		}
		return f
	case text:
		return n.value
	case list:
		items := make([]any, len(n.items))
		for i, item := range n.items {
			items[i] = plainValue(item)
		}
		return items
	case mapping:
		fields := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			fields[f.key] = plainValue(f.value)
		}
		return fields
	}
	return nil
}
