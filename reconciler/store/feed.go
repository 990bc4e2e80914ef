package store

import "github.com/swarmgit/swarmgit/specs"

// Touched says which rows were changed. The rows of a Touched may be gone, or
// be as they were: compare with the snapshot that was held before.
type Touched struct {
	All       bool // anything may have changed: the first look, or after a restore
	Services  map[string]struct{}
	Tasks     map[string]struct{}
	Nodes     map[string]struct{}
	Revisions map[string]struct{}
	Authority bool
	Sources   bool
	Externals bool
}

func newTouched() Touched {
	return Touched{
		Services: map[string]struct{}{}, Tasks: map[string]struct{}{},
		Nodes: map[string]struct{}{}, Revisions: map[string]struct{}{},
	}
}

// empty reports that nothing was touched.
func (t Touched) empty() bool {
	return !t.All && !t.Authority && !t.Sources && !t.Externals && len(t.Services)+len(t.Tasks)+len(t.Nodes)+len(t.Revisions) == 0
}

func (t *Touched) add(c specs.Change) {
	t.Authority = t.Authority || c.Authority != nil
	t.Sources = t.Sources || c.Source != nil
	t.Externals = t.Externals || c.External != nil
	mark(t.Services, c.Service)
	mark(t.Services, c.Spec)
	mark(t.Services, c.Rollout)
	mark(t.Tasks, c.Task)
	mark(t.Tasks, c.TaskWant)
	mark(t.Tasks, c.TaskSeen)
	mark(t.Nodes, c.Node)
	mark(t.Nodes, c.NodeSpec)
	mark(t.Nodes, c.NodeSeen)
	mark(t.Revisions, c.Revision)
	mark(t.Revisions, c.RevisionProgress)
}

func mark[T any](ids map[string]struct{}, p *specs.Patch[T]) {
	if p != nil {
		ids[p.ID] = struct{}{}
	}
}

// Feed collects for one subscriber which rows have been touched since it last
// took them. It holds each ID once however slow the subscriber is.
type Feed struct {
	store   *Store
	ready   chan struct{} // holds one token while something waits to be taken
	touched Touched       // guarded by store.mu
}

// Subscribe starts a feed. Its first Take says All.
func (s *Store) Subscribe() *Feed {
	f := &Feed{store: s, ready: make(chan struct{}, 1), touched: newTouched()}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.touchAll()
	s.feeds[f] = struct{}{}
	return f
}

// Wait returns the feed's channel. A value from it means: take.
func (f *Feed) Wait() <-chan struct{} { return f.ready }

// Take returns the newest state and what was touched since the last Take, which
// may be nothing. What it returns belongs to the caller.
func (f *Feed) Take() (Snapshot, Touched) {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	select {
	case <-f.ready:
	default:
	}
	touched := f.touched
	f.touched = newTouched()
	return f.store.current, touched
}

// Close ends the feed: nothing more is collected for it.
func (f *Feed) Close() {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	delete(f.store.feeds, f)
}

// touch adds what txs changed. The store's mutex is held.
func (f *Feed) touch(txs []specs.Transaction) {
	for _, tx := range txs {
		for _, c := range tx {
			f.touched.add(c)
		}
	}
	if !f.touched.empty() {
		f.wake()
	}
}

func (f *Feed) touchAll() {
	f.touched.All = true
	f.wake()
}

func (f *Feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}
