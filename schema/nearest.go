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
	if s.to.full() {
		return "unknown key"
	}
	var known []string
	for _, name := range slices.Sorted(maps.Keys(r.fields)) {
		if r.fields[name].fate != refused {
			known = append(known, name)
		}
	}
	if near := specs.Nearest(key, known); near != "" {
		return "unknown key; did you mean " + near + "?"
	}
	if len(known) <= 6 && len(known) > 0 {
		return "unknown key; known here: " + strings.Join(known, ", ")
	}
	return "unknown key"
}
