package consensus

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/reconciler/store"
)

func TestQueueNext(t *testing.T) {
	const k = 1 << 10
	for name, c := range map[string]struct {
		flying int
		sizes  []int // of batches
		want   []int // of those in the next entry
	}{
		"nothing waits":            {0, nil, nil},
		"all that waits":           {0, []int{k, 2 * k, 3 * k}, []int{k, 2 * k, 3 * k}},
		"until it is full":         {0, []int{40 * k, 40 * k, k}, []int{40 * k, 40 * k}},
		"not beyond the largest":   {0, []int{k, 256 * k}, []int{k}},
		"a large one stands alone": {0, []int{2000 * k, k}, []int{2000 * k}},
		"wait and gather":          {entriesFlying, []int{k, k}, nil},
		"a full one does not wait": {entriesFlying, []int{64 * k, k}, []int{64 * k}},
	} {
		t.Run(name, func(t *testing.T) {
			q := queue{ready: make(chan struct{}, 1), flying: c.flying}
			p := &proposal{}
			for _, n := range c.sizes {
				q.add(p, []batch{{bytes: n}})
			}
			var got []int
			for _, part := range q.next() {
				got = append(got, part.bytes)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("sizes (-want +got)\n%s", diff)
			}
			if len(q.waiting) == 0 && q.waiting != nil {
				t.Error("it keeps the memory of what it has given")
			}
		})
	}
}

func TestQueueSortsAnswers(t *testing.T) {
	q := queue{ready: make(chan struct{}, 1)}
	one := &proposal{errs: make([]error, 3), total: 2, left: 2}
	other := &proposal{errs: make([]error, 1), total: 1, left: 1}
	q.add(one, []batch{{from: []int{0, 2}, bytes: entryFull}, {from: []int{1}, bytes: 1}})
	q.add(other, []batch{{from: []int{0}, bytes: 1}})
	first, second := q.next(), q.next()
	if done := q.settle(second, nil, raft.ErrNotLeader); len(done) != 1 || done[0] != other || !errors.Is(other.outcome(), ErrNotLeader) {
		t.Errorf("done are %v with %v, want that nothing of the other was written", done, other.outcome())
	}
	if done := q.settle(first, []error{nil, store.ErrConflict}, nil); len(done) != 1 || done[0] != one || !errors.Is(one.outcome(), ErrOutcomeUnknown) {
		t.Errorf("done are %v with %v, want that the outcome of a half is unknown", done, one.outcome())
	}
	if one.errs[0] != nil || !errors.Is(one.errs[2], store.ErrConflict) {
		t.Errorf("the results are %v", one.errs)
	}
	q.end()
	if q.add(other, nil) {
		t.Error("a queue that has ended takes a proposal")
	}
}

func TestQueueWithdraws(t *testing.T) {
	for name, c := range map[string]struct {
		entries   int // that its two batches are in
		answered  int // of them
		all, over bool
	}{
		"nothing is in an entry":            {0, 0, true, true},
		"a half is in an entry":             {1, 0, false, false},
		"a half is in an entry of the past": {1, 1, false, true},
		"all is in entries":                 {2, 0, false, false},
		"all but one is answered":           {2, 1, false, false},
		"all is answered":                   {2, 2, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			q := queue{ready: make(chan struct{}, 1)}
			p, other := &proposal{errs: make([]error, 2), total: 2, left: 2}, &proposal{errs: make([]error, 1), total: 1, left: 1}
			q.add(p, []batch{{from: []int{0}, bytes: entryFull}, {from: []int{1}, bytes: entryFull}})
			q.add(other, []batch{{from: []int{0}, bytes: entryFull}})
			for i := range c.entries {
				if parts := q.next(); i < c.answered {
					q.settle(parts, []error{nil}, nil)
				}
			}
			if all, over := q.withdraw(p); all != c.all || over != c.over {
				t.Errorf("all of it: %v, it waits for nothing more: %v", all, over)
			}
			if parts := q.next(); len(parts) != 1 || parts[0].of != other {
				t.Errorf("the next entry holds %v", parts)
			}
			if q.waiting != nil {
				t.Error("it keeps the memory of what it has given")
			}
		})
	}
}
