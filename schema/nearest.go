package schema

import (
	"maps"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// unknownKey is what to say of a key that the rule does not have, with the
// known key that was probably meant.
func (s *shaper) unknownKey(key string, r *rule) string {
	var known []string
	for _, name := range slices.Sorted(maps.Keys(r.fields)) {
		if r.fields[name].fate != refused && name != externalIs {
			known = append(known, name)
		}
	}
	if near := s.to.didYouMean(key, known); near != "" {
		return "unknown key" + near
	}
	if len(known) <= 6 && len(known) > 0 {
		return "unknown key; known here: " + strings.Join(known, ", ")
	}
	return "unknown key"
}

// maxNearest bounds the keys among which a wrong name is looked for: each costs
// about a microsecond.
const maxNearest = 500

// keysOf are the keys of a mapping to look among; none if they are too many.
func keysOf(n *node) (keys []string) {
	if fields := fieldsOf(n); len(fields) <= maxNearest {
		for _, f := range fields {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// didYouMean ends a message with the known name that was probably meant, if there
// is one. A report that takes no more problems needs none.
func (r *report) didYouMean(name string, known []string) string {
	if r.full() {
		return ""
	}
	if near := specs.Nearest(name, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
