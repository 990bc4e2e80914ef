package specs

import "strings"

// Nearest is the one of the words that was probably meant: it differs least from
// word, and by less than a third. It is empty if none is near. Letter case, and
// what joins the parts of a name, count for nothing. Of several that are as near it
// is the first by name.
func Nearest(word string, words []string) string {
	simple := func(s string) string { return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(s)) }
	best, least := "", max(2, len(word)/3)+1
	if len(word) > maxWord {
		return ""
	}
	for _, candidate := range words {
		d := distance(simple(word), simple(candidate))
		if nearer := d < least || d == least && candidate < best; nearer && d < len(candidate) {
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
