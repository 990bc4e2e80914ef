package consensus

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// machine is raft's state machine: the store, and the time of its last entry.
type machine struct {
	store   *store.Store
	format  func() int                      // what snapshots are written in
	members func()                          // told that the agreed members changed
	heard   func(l *raft.Log, at time.Time) // told the time of each entry
	failed  chan struct{}                   // closed with err
	applied bell.Bell

	mu    sync.Mutex
	at    time.Time // the latest time of an applied entry
	fresh time.Time // when the last entry was applied here
	err   error     // the first entry or snapshot that could not be read
}

func newMachine(s *store.Store, format func() int, members func(), heard func(*raft.Log, time.Time)) *machine {
	return &machine{store: s, format: format, members: members, heard: heard, failed: make(chan struct{}), fresh: time.Now()}
}

// Apply returns a []error, one for each transaction, or the error that stops
// the node. After that nothing is applied and no snapshot is made.
func (m *machine) Apply(l *raft.Log) any {
	if err := m.failure(); err != nil {
		return err
	}
	e, err := decodeEntry(l.Data)
	if err != nil {
		return m.fail(fmt.Errorf("apply entry %d: %w", l.Index, err))
	}
	errs := m.store.Apply(l.Index, e.Transactions)
	m.advance(e.At)
	m.heard(l, e.At)
	m.applied.Ring()
	return errs
}

// StoreConfiguration implements raft.ConfigurationStore.
func (m *machine) StoreConfiguration(uint64, raft.Configuration) { m.members() }

// index is that of the last entry in the store.
func (m *machine) index() uint64 { return m.store.Snapshot().Index() }

func (m *machine) advance(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fresh = time.Now()
	if at.After(m.at) {
		m.at = at
	}
}

// idle is how long nothing has been applied.
func (m *machine) idle() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.fresh)
}

// last is the latest time that an applied entry carried.
func (m *machine) last() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

func (m *machine) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *machine) fail(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
		close(m.failed)
	}
	return m.err
}

// Snapshot is O(1); what it returns is written while entries are applied.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if err := m.failure(); err != nil {
		return nil, err
	}
	return frozen{m.store.Snapshot(), m.last(), m.format()}, nil
}

// Restore replaces the state by a snapshot's.
func (m *machine) Restore(r io.ReadCloser) error {
	defer func() { _ = r.Close() }() // only read
	dec := encoding.NewDecoder(r)
	var at time.Time
	err := readFormat(dec)
	if err == nil {
		err = dec.Decode(&at)
	}
	if err == nil {
		err = m.store.Restore(dec)
	}
	if err != nil {
		return m.fail(fmt.Errorf("read a snapshot of the cluster: %w", err))
	}
	m.advance(at)
	m.applied.Ring()
	m.members()
	return nil
}

// frozen is a snapshot on its way to the disk.
type frozen struct {
	store.Snapshot
	at     time.Time
	format int
}

func (f frozen) Persist(sink raft.SnapshotSink) error {
	enc := encoding.NewEncoder(sink)
	err := enc.Encode(f.format)
	if err == nil {
		err = enc.Encode(f.at)
	}
	if err == nil {
		err = f.Save(enc)
	}
	if err != nil {
		_ = sink.Cancel() // the error that led here says more
		return err
	}
	return sink.Close()
}

func (frozen) Release() {}
