package consensus

// Newest is the newest format of entries and snapshots that this release reads,
// and 1 the oldest.
const Newest = 1

// Usable is the newest format that every member reads. formats holds what each
// said when it joined; one that has not said reads only the oldest.
func Usable(members []Member, formats map[string]int) int {
	usable := Newest
	for _, m := range members {
		usable = min(usable, max(formats[m.ID], 1))
	}
	return usable
}

// format is what entries are written in.
func (c *Consensus) format() int {
	if c.usable == nil {
		return Newest
	}
	return min(max(c.usable(), 1), Newest)
}
