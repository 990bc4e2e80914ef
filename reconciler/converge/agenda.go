package converge

import "time"

// revisionsKey is the key of an agenda that stands for the revisions.
const revisionsKey = ""

// Agenda is what the loop keeps from one pass to the next: when to look at
// which service again though nothing happened. A new leader starts with an
// empty one and everything dirty. A proposal that failed changes nothing in it:
// the loop makes those services dirty again by itself.
type Agenda map[string]time.Time

// Note takes over what a pass said about the services that it looked at.
func (a Agenda) Note(r Result) {
	for id, at := range r.Wakes {
		if at.IsZero() {
			delete(a, id)
			continue
		}
		a[id] = at
	}
}

// Next is when something is due; the zero time is never.
func (a Agenda) Next() time.Time {
	var first time.Time
	for _, at := range a {
		first = earliest(first, at)
	}
	return first
}

// Due is what has to be looked at now. It stays due until a pass has looked.
func (a Agenda) Due(now time.Time) Dirty {
	var d Dirty
	for id, at := range a {
		switch {
		case at.After(now):
		case id == revisionsKey:
			d.Revisions = true
		default:
			d.service(id)
		}
	}
	return d
}
