package ca

import (
	"maps"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// removalMargin is how much longer than its certificate a removed node is
// refused, for managers whose clock is behind.
const removalMargin = time.Hour

// Removal forgets nodes as they were at their SpecVersion, and refuses their
// certificates from then on.
func Removal(a specs.Authority, now time.Time, nodes ...specs.Node) specs.Transaction {
	a.Removed, a.Readmissions = cloned(a.Removed), cloned(a.Readmissions)
	tx := specs.Transaction{{Authority: &a}}
	for _, node := range nodes {
		until := now.Add(max(a.Lifetime(), time.Duration(a.Longest))) // it may have renewed since it was last seen
		if seen := node.Seen.Certificate.NotAfter; seen.After(until) {
			until = seen
		}
		a.Removed[node.ID] = until.Add(removalMargin)
		delete(a.Readmissions, node.ID)
		tx = append(tx, specs.Change{Node: specs.Remove[specs.Node](node.ID, node.SpecVersion)})
	}
	return tx
}

// prune drops the removed nodes whose certificate has run out, and readmissions
// whose time is over. It reports whether there were any.
func prune(a *specs.Authority, now time.Time) bool {
	removed, readmissions := cloned(a.Removed), cloned(a.Readmissions)
	maps.DeleteFunc(removed, func(_ string, until time.Time) bool { return !until.After(now) })
	maps.DeleteFunc(readmissions, func(_ string, r specs.Readmission) bool { return !r.Until.After(now) })
	pruned := len(removed) < len(a.Removed) || len(readmissions) < len(a.Readmissions)
	a.Removed, a.Readmissions = removed, readmissions
	return pruned
}

// firstEnd is when prune finds something next; zero is never.
func firstEnd(a specs.Authority) time.Time {
	var at time.Time
	for _, until := range a.Removed {
		at = earlier(at, until)
	}
	for _, r := range a.Readmissions {
		at = earlier(at, r.Until)
	}
	return at
}

// earlier is the earlier of two times; the zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// cloned is a copy that may be written, also of a nil map.
func cloned[V any](m map[string]V) map[string]V {
	c := make(map[string]V, len(m))
	maps.Copy(c, m)
	return c
}
