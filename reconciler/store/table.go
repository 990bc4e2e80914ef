package store

import (
	"iter"

	"github.com/tidwall/btree"
)

// table is a copy-on-write ordered map from ID to row. Rows are never modified
// once they are in a table, so that copying a tree's node copies pointers.
type table[T any] struct{ m *btree.Map[string, *T] }

const tableDegree = 16

func newTable[T any]() table[T] { return table[T]{btree.NewMap[string, *T](tableDegree)} }

// fork starts a second table from one that nobody writes. It may be called
// concurrently: the copy of the map's head, not the shared head, is renewed.
func (t table[T]) fork() table[T] {
	head := *t.m
	return table[T]{head.IsoCopy()}
}

// freeze returns the table as it is; t may be written further by its owner.
func (t table[T]) freeze() table[T] { return table[T]{t.m.IsoCopy()} }

// row is nil if there is none.
func (t table[T]) row(id string) *T {
	row, _ := t.m.Get(id)
	return row
}

func (t table[T]) get(id string) (T, bool) {
	if row := t.row(id); row != nil {
		return *row, true
	}
	var none T
	return none, false
}

// put stores the row, or removes it if row is nil.
func (t table[T]) put(id string, row *T) {
	if row == nil {
		t.m.Delete(id)
		return
	}
	t.m.Set(id, row)
}

// rows yields the rows themselves, for those who only look.
func (t table[T]) rows() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		t.m.Scan(func(_ string, row *T) bool { return yield(row) })
	}
}

func (t table[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		t.m.Scan(func(_ string, row *T) bool { return yield(*row) })
	}
}

// index is a copy-on-write ordered set of keys.
type index[K key[K]] struct{ m *btree.BTreeG[K] }

type key[K any] interface {
	comparable
	less(K) bool
}

func newIndex[K key[K]]() index[K] {
	return index[K]{btree.NewBTreeGOptions(K.less, btree.Options{NoLocks: true, Degree: tableDegree})}
}

func (x index[K]) fork() index[K] {
	head := *x.m
	return index[K]{head.IsoCopy()}
}

func (x index[K]) freeze() index[K] { return index[K]{x.m.IsoCopy()} }

// move takes old out and puts now in; nil is no key. A key in the place of old
// replaces it.
func (x index[K]) move(old, now *K) {
	if old != nil && now != nil && *old == *now {
		return
	}
	if old != nil && (now == nil || (*old).less(*now) || (*now).less(*old)) {
		x.m.Delete(*old)
	}
	if now != nil {
		x.m.Set(*now)
	}
}

// from yields the keys that are not less than first.
func (x index[K]) from(first K) iter.Seq[K] {
	return func(yield func(K) bool) { x.m.Ascend(first, yield) }
}
