package schema

import (
	"slices"

	"github.com/swarmgit/swarmgit/specs"
)

// kind is what a node of the tree is.
type kind int

const (
	null kind = iota
	boolean
	integer
	float
	text
	list
	mapping
)

// node is one value of a stack file, with its place. After parsing it is free
// of anchors, aliases and merge keys.
type node struct {
	kind   kind
	value  string // of a scalar, as written
	pos    specs.Position
	items  []*node
	fields []*field // in the order of the file, merged ones last
	byKey  map[string]*field
	index  int      // of an item of a list, as the file counts
	lost   []string // keys that stood here and were taken out as mistakes

	// interpolated says that a variable made the value: it is text, but stands
	// for the type that its key asks for.
	interpolated bool
	unset        string // a variable in it that is not set
	// broken says that the mistake in it has been reported.
	broken bool
}

// field is one key of a mapping with its value.
type field struct {
	key   string
	pos   specs.Position // of the key
	value *node
	made  bool // of a short form: nobody wrote the key
}

// get returns the value of the key, or nil.
func (n *node) get(key string) *node {
	if f := n.field(key); f != nil {
		return f.value
	}
	return nil
}

func (n *node) field(key string) *field {
	if n == nil || len(n.fields) == 0 {
		return nil
	}
	if len(n.byKey) != len(n.fields) { // keys are unique, and taken out by drop or in numbers
		n.byKey = make(map[string]*field, len(n.fields))
		for _, f := range n.fields {
			n.byKey[f.key] = f
		}
	}
	return n.byKey[key]
}

func (n *node) add(f *field) {
	n.fields = append(n.fields, f)
	if n.byKey != nil {
		n.byKey[f.key] = f
	}
}

// fieldsOf also takes a value that is not there.
func fieldsOf(n *node) []*field {
	if n == nil {
		return nil
	}
	return n.fields
}

// itemsOf also takes a value that is not there.
func itemsOf(n *node) []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// wasLost says whether the key stood here and was a mistake, of which enough has been
// said.
func (n *node) wasLost(key string) bool { return n != nil && slices.Contains(n.lost, key) }

// adopt takes the fields that only the other mapping has.
func (n *node) adopt(other *node) {
	for _, f := range other.fields {
		if n.kind == mapping && n.field(f.key) == nil {
			n.add(f)
		}
	}
}

func (n *node) drop(key string) {
	for i, f := range n.fields {
		if f.key == key {
			n.fields, n.byKey = append(n.fields[:i:i], n.fields[i+1:]...), nil
			return
		}
	}
}
