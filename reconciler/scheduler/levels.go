package scheduler

import (
	"cmp"
	"math/bits"
	"slices"
)

// level is the set of nodes that have the same number of tasks.
type level struct {
	total int32
	size  int // nodes in the set
	nodes bitset
}

// levels are the levels that have nodes, by rising number of tasks.
type levels []level

func (l *levels) add(i, total int32) {
	at, found := l.find(total)
	if !found {
		*l = slices.Insert(*l, at, level{total: total})
	}
	lv := &(*l)[at]
	lv.nodes = lv.nodes.with(i)
	lv.size++
}

func (l *levels) remove(i, total int32) {
	at, found := l.find(total)
	if !found || !(*l)[at].nodes.has(i) {
		panic("scheduler: a node is not on the level of its number of tasks")
	}
	lv := &(*l)[at]
	lv.nodes.remove(i)
	if lv.size--; lv.size == 0 {
		*l = slices.Delete(*l, at, at+1)
	}
}

func (l levels) find(total int32) (at int, found bool) {
	return slices.BinarySearchFunc(l, total, func(lv level, t int32) int { return cmp.Compare(lv.total, t) })
}

func (l levels) clone() levels {
	copied := slices.Clone(l)
	for i := range copied {
		copied[i].nodes = slices.Clone(copied[i].nodes)
	}
	return copied
}

// walk visits the nodes of a mask by rising number of tasks, then by index. The
// levels must not change meanwhile.
type walk struct {
	levels levels
	mask   bitset
	at     int    // in levels
	word   int    // of the next word to look at
	bits   uint64 // what is left of the word before
}

// next returns the next node and its number of tasks.
func (w *walk) next() (node, total int32, ok bool) {
	for w.bits == 0 {
		if w.at == len(w.levels) {
			return 0, 0, false
		}
		nodes := w.levels[w.at].nodes
		if w.word >= min(len(nodes), len(w.mask)) {
			w.at, w.word = w.at+1, 0
			continue
		}
		w.bits = nodes[w.word] & w.mask[w.word]
		w.word++
	}
	bit := bits.TrailingZeros64(w.bits)
	w.bits &= w.bits - 1
	return int32((w.word-1)*wordBits + bit), w.levels[w.at].total, true
}
