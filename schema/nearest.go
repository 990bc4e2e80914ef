package schema

import (
	"maps"
	"slices"
	"strings"
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
	if near := Nearest(key, known); near != "" {
		return "unknown key; did you mean " + near + "?"
	}
	if len(known) <= 6 && len(known) > 0 {
		return "unknown key; known here: " + strings.Join(known, ", ")
	}
	return "unknown key"
}

// Nearest is the word that differs least, if it differs by less than a third; else
// it is empty.
func Nearest(word string, words []string) string {
	simple := func(s string) string { return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(s)) }
	best, least := "", max(2, len(word)/3)+1
	if len(word) > maxWord {
		return ""
	}
	for _, candidate := range words {
		if d := distance(simple(word), simple(candidate)); d < least && d < len(candidate) {
			best, least = candidate, d
		}
	}
	return best
}

// maxWord is the longest word that is compared, in bytes; no key is longer.
const maxWord = 40

// distance counts the letters to insert, leave out, change or swap with their
// neighbour to make b of a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
