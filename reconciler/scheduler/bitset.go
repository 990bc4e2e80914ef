package scheduler

const wordBits = 64

// bitset is a set of node indexes. Words beyond its end are empty.
type bitset []uint64

// with returns the set with i in it; the receiver's memory is reused.
func (b bitset) with(i int32) bitset {
	for int(i)/wordBits >= len(b) {
		b = append(b, 0)
	}
	b[i/wordBits] |= 1 << (i % wordBits)
	return b
}

func (b bitset) remove(i int32) {
	if b.has(i) {
		b[i/wordBits] &^= 1 << (i % wordBits)
	}
}

func (b bitset) has(i int32) bool {
	return int(i)/wordBits < len(b) && b[i/wordBits]&(1<<(i%wordBits)) != 0
}

// and returns a new set of what is in both.
func (b bitset) and(c bitset) bitset {
	both := make(bitset, min(len(b), len(c)))
	for w := range both {
		both[w] = b[w] & c[w]
	}
	return both
}
