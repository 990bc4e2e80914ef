package consensus

// Newest is the newest format of entries and snapshots that this release reads,
// and 1 the oldest.
const Newest = 1

// Usable is the newest format that all read of whom formats holds what each says that
// it reads: 0, which is the oldest, of one that has not said.
func Usable(formats []int) int {
	usable := Newest
	for _, format := range formats {
		usable = min(usable, max(format, 1))
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
