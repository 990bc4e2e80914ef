package consensus

import (
	"sync"

	"github.com/hashicorp/raft"
)

// Memory is a disk in memory. Opening the same one again is a restart, a new one
// a manager whose disk was wiped.
type Memory struct {
	entries   *raft.InmemStore
	snapshots *raft.InmemSnapshotStore

	mu   sync.Mutex
	hung chan struct{} // closed when the disk works again; nil while it works
	full bool
}

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{entries: raft.NewInmemStore(), snapshots: raft.NewInmemSnapshotStore()}
}

// Hang makes every write wait until release is called.
func (m *Memory) Hang() (release func()) {
	hung := make(chan struct{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hung = hung
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.hung = nil
		close(hung)
	}
}

// Fill makes the disk full, or gives it room again, for this manager's next look
// at it. Writes go on: what they need was kept free.
func (m *Memory) Fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

func (m *Memory) free(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return 0, nil
	}
	return 2 * diskFloor, nil
}

func (m *Memory) probe() error {
	m.wait()
	return nil
}

// wait returns once the disk works.
func (m *Memory) wait() {
	m.mu.Lock()
	hung := m.hung
	m.mu.Unlock()
	if hung != nil {
		<-hung
	}
}

type memoryLog struct {
	*raft.InmemStore
	memory *Memory
}

func (l memoryLog) StoreLogs(es []*raft.Log) error {
	l.memory.wait()
	return l.InmemStore.StoreLogs(es)
}

type memoryStable struct {
	*raft.InmemStore
	memory *Memory
}

func (s memoryStable) Set(key, value []byte) error {
	s.memory.wait()
	return s.InmemStore.Set(key, value)
}

func (s memoryStable) SetUint64(key []byte, value uint64) error {
	s.memory.wait()
	return s.InmemStore.SetUint64(key, value)
}
